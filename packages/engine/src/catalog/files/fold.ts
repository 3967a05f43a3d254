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
  readonly defaultPrivileges: DefaultPrivilege[]
  /** The statement under way; locations in trees count from `base`. */
  statement: ParsedStatement
  position: SourcePosition
}

/** ALTER DEFAULT PRIVILEGES, applied to what is made later. */
export interface DefaultPrivilege {
  readonly schema: string | null
  readonly objects: 'table' | 'sequence' | 'function' | 'type' | 'schema'
  readonly grantee: string
  readonly privileges: string[]
  readonly grantable: boolean
  readonly isGrant: boolean
}

/** Says that the catalog may lack something from here on. */
export function markUnknown(fold: Fold, reason: string): void {
  fold.catalog.unknown.push({ position: fold.position, reason })
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
