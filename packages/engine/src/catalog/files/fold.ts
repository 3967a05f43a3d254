import type { ParsedFile, ParsedStatement } from '../../parse/parse-sql.ts'
import type { Known } from '../evaluate/env.ts'
import type { Body, Statements } from '../evaluate/plpgsql-tree.ts'
import type { Catalog, SourcePosition, Table } from '../model.ts'
import type { End, Run } from './run.ts'

/**
 * What a call does, as SQL: its literal arguments in, statements out. For functions that run DDL, which no reader of files
 * can see. Null when these arguments have no effect on the schema.
 */
export type KnownEffect = (args: readonly (string | null)[], catalog: Catalog) => string | null

export interface FoldOptions {
  /** By the function's qualified name. */
  readonly effects?: Readonly<Record<string, KnownEffect>>
  /**
   * Major version of PostgreSQL that the files are for; decides what GRANT ALL means and which foreign keys of partitions
   * become their parent's. Default 18.
   */
  readonly serverVersion?: number
  /** The search path that every file starts with. Default `public`. */
  readonly searchPath?: readonly string[]
  /** Told each statement that code of the files runs (DO blocks, functions that are called) or a schema is made with, right before it is folded. */
  readonly watch?: (statement: ParsedStatement, position: SourcePosition) => void
}

/** Statements run code and code runs statements: the parts that need each other find each other here. */
export interface Interpreter {
  apply(fold: Fold, statement: ParsedStatement): void
  call(run: Run, names: string[], args: Known[], named: ReadonlyMap<string, Known>): Known | undefined
  body(run: Run, body: Body): void
  statements(run: Run, statements: Statements): End
}

/** The state while statements are folded into a catalog. */
export interface Fold {
  readonly catalog: Catalog
  readonly options: FoldOptions
  readonly interpreter: Interpreter
  /** The statement under way; locations in trees count from `base`. */
  statement: ParsedStatement
  position: SourcePosition
  /** Where names without a schema are looked for; the first one takes new objects. */
  searchPath: readonly string[]
  /** Of an index of a partition (`schema.name`) the index of the table above that it is a part of. */
  readonly indexParents: Map<string, string>
  /** `schema.table.column` of columns that a table has of its own although a parent has them too. */
  readonly localColumns: Set<string>
  /** Open since BEGIN, or SET LOCAL in a file that is one transaction; `path` is the search path from before SET LOCAL. */
  transaction: { readonly path: readonly string[] | null } | null
  /** How many functions of the files call each other at the moment. */
  depth: number
  /** The file of the last statement. */
  file: ParsedFile | null
}

/** Says that the catalog may lack something from here on. */
export function markUnknown(fold: Fold, reason: string): void {
  const last = fold.catalog.unknown.at(-1)
  // a loop says the same in each of its turns
  if (last?.reason === reason && last.position === fold.position) return
  fold.catalog.unknown.push({ position: fold.position, reason, text: fold.statement.text })
}

/** The place of a location in the statement under way. */
export function positionAt(
  { statement, position }: Pick<Fold, 'statement' | 'position'>,
  location: number | undefined,
): SourcePosition {
  const offset = (location ?? statement.start) - statement.start
  if (offset <= 0 || offset > statement.text.length) return position
  const before = statement.text.slice(0, offset)
  const lastLine = before.lastIndexOf('\n')
  if (lastLine < 0) return { ...position, column: position.column + offset }
  let line = position.line
  for (let at = before.indexOf('\n'); at >= 0; at = before.indexOf('\n', at + 1)) line++
  return { ...position, line, column: offset - lastLine }
}

/** Where unqualified names are unless the files set a search path. */
export const DEFAULT_SCHEMA = 'public'

/** The table with its partitions and the tables that inherit from it: what a change of the table reaches. */
export function withPartitions(catalog: Catalog, table: Table): Table[] {
  const own = `${table.schema}.${table.name}`
  const found = new Set([table])
  for (const other of catalog.tables.values()) {
    if (other.partitionOf !== own && !other.inherits.includes(own)) continue
    for (const below of withPartitions(catalog, other)) found.add(below)
  }
  return [...found]
}

/** The partitions below a table, without those that merely inherit. */
export function partitionsOf(catalog: Catalog, table: Table): Table[] {
  return withPartitions(catalog, table).filter((own) => own !== table && own.partitionOf !== null)
}
