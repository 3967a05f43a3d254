import type { ParsedStatement } from '../../parse/parse-sql.ts'
import type { Catalog, SourcePosition, Table } from '../model.ts'

/**
 * What a call does, as SQL: its literal arguments in, statements out. For functions that run DDL, which no reader of files
 * can see. Null when these arguments have no effect on the schema.
 */
export type KnownEffect = (args: readonly (string | null)[], catalog: Catalog) => string | null

export interface FoldOptions {
  /** By the function's qualified name. */
  readonly effects?: Readonly<Record<string, KnownEffect>>
  /** Major version of PostgreSQL that the files are for; decides what GRANT ALL means. Default 18. */
  readonly serverVersion?: number
}

/** The state while statements are folded into a catalog. */
export interface Fold {
  readonly catalog: Catalog
  readonly options: FoldOptions
  /** The statement under way; locations in trees count from `base`. */
  statement: ParsedStatement
  position: SourcePosition
}

/** Says that the catalog may lack something from here on. */
export function markUnknown(fold: Fold, reason: string): void {
  fold.catalog.unknown.push({ position: fold.position, reason, text: fold.statement.text })
}

/** The place of a location in the statement under way. */
export function positionAt({ statement, position }: Fold, location: number | undefined): SourcePosition {
  const offset = (location ?? statement.start) - statement.start
  if (offset <= 0 || offset > statement.text.length) return position
  const before = statement.text.slice(0, offset)
  const lastLine = before.lastIndexOf('\n')
  if (lastLine < 0) return { ...position, column: position.column + offset }
  let line = position.line
  for (let at = before.indexOf('\n'); at >= 0; at = before.indexOf('\n', at + 1)) line++
  return { ...position, line, column: offset - lastLine }
}

/** Unqualified names are taken to be in `public`. */
export const DEFAULT_SCHEMA = 'public'

interface RangeVarLike {
  schemaname?: string
  relname?: string
}

export function relationName(relation: RangeVarLike | undefined): { schema: string; name: string; key: string } {
  const schema = relation?.schemaname ?? DEFAULT_SCHEMA
  const name = relation?.relname ?? ''
  return { schema, name, key: `${schema}.${name}` }
}

/** The table and, when it is partitioned, its partitions below: what a change of the table reaches. */
export function withPartitions(catalog: Catalog, table: Table): Table[] {
  const own = `${table.schema}.${table.name}`
  const children = [...catalog.tables.values()].filter((other) => other.partitionOf === own)
  return [table, ...children.flatMap((child) => withPartitions(catalog, child))]
}

export function partitionsOf(catalog: Catalog, table: Table): Table[] {
  return withPartitions(catalog, table).slice(1)
}
