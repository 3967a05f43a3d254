import { tableId, type MovedTable, type SharedTable, type TableName } from '../model.ts'

/** The word in an owner map for static reference: read by all, copied to every service, written by none. */
export const SHARED_READ = 'shared-read'

/** An owner map as its file says it, not yet compared with a database. */
export interface OwnerMap {
  readonly file: string
  readonly services: readonly NamedService[]
  readonly tables: readonly MapEntry[]
}

export interface NamedService extends Place {
  readonly name: string
  /** Null: `<source>_<service>`. */
  readonly database: string | null
}

/** One line of `tables:`. */
export interface MapEntry extends Place {
  /** `table` or `schema.table`. */
  readonly table: string
  /** A service, or `shared-read`. */
  readonly owner: string
  /** Services that get a read-only copy by replication. */
  readonly copies: readonly string[]
  /** Declared for a table without a primary key. */
  readonly key: readonly string[] | null
  /** For all columns of the table that are not named in `zeroDates`. */
  readonly zeroDate: ZeroDate | null
  readonly zeroDates: ReadonlyMap<string, ZeroDate>
}

/** What becomes of dates that PostgreSQL cannot hold; without a policy they stop the move. */
export type ZeroDate = 'null' | { readonly sentinel: string }

/** Counted from 1. */
export interface Place {
  readonly line: number
  readonly column: number
}

/** A map that fits its database: every table has exactly one owner. */
export interface CheckedOwnerMap {
  /** In the order of the file. */
  readonly services: readonly MappedService[]
  /** In the order of the catalog, also those of `shared-read`. */
  readonly tables: readonly OwnedTable[]
  /** Lines about tables that have left the shared database for good. */
  readonly moved: readonly MovedEntry[]
}

/** A service whose move is over: its tables are in its own database alone. */
export interface RetiredService {
  readonly name: string
  readonly database: string
  readonly tables: readonly Pick<MovedTable, 'source'>[]
}

export interface MovedEntry {
  readonly table: TableName
  readonly owner: string
  /** Services that get a read-only copy by replication. */
  readonly copies: readonly string[]
}

export interface MappedService {
  readonly name: string
  /** Null for a service that owns nothing and gets no database. */
  readonly database: string | null
  readonly tables: readonly OwnedTable[]
}

export interface OwnedTable {
  readonly table: SharedTable
  readonly owner: string
  readonly copies: readonly string[]
  /** The primary key, or the declared one. */
  readonly key: readonly string[]
  /** Policy of a column that holds dates, null where there is none. */
  readonly zeroDate: (column: string) => ZeroDate | null
}

/** The owner of a table: a service, `shared-read`, or undefined when the map is not about it. */
export type OwnerOf = (table: TableName) => string | undefined

/** Looks up owners by schema and name. */
export function ownersOf(map: CheckedOwnerMap): OwnerOf {
  const owners = new Map(map.tables.map(({ table, owner }) => [tableId(table), owner]))
  return (table) => owners.get(tableId(table))
}
