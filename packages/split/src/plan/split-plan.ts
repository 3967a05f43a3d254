import type { LooseKey } from '../loose-keys/loose-key.ts'
import type { MovedTable } from '../model.ts'
import type { OwnedForeignKey } from '../side.ts'
import type { TypeFinding } from '../types/map-tables.ts'

/**
 * Everything that is decided before the first row moves, kept in the ledger: processes that come later find the tables of
 * the shared database gone and types that depend on rows different.
 */
export interface SplitPlan {
  readonly kind: 'mariadb' | 'postgres'
  /** `host:port/database` of the shared database. */
  readonly source: string
  /** Of the owner map's text. */
  readonly mapHash: string
  /** In the order in which they move. */
  readonly services: readonly ServicePlan[]
  /** All of them, between any two services. */
  readonly looseKeys: readonly LooseKey[]
}

/** Texts of the service's first migrations. */
export interface ServiceMigrations {
  /** V001: the tables with their primary keys; rows are loaded behind it. */
  readonly tables: string
  /** V002: indexes, foreign keys, checks. */
  readonly keys: string
  /** V003: tables of other services, as read-only copies; null without any. */
  readonly copies: string | null
}

export interface KeptTable {
  /** `schema.table` */
  readonly table: string
  readonly owner: string
  /** What is kept of its rows, besides tenant and id. */
  readonly columns: readonly string[]
  /** Query on the owner's tables that gives the rows of the table of projections. */
  readonly fill: string
}

export interface ServicePlan {
  readonly name: string
  readonly database: string
  readonly tables: readonly MovedTable[]
  /** Static tables that every service reads: a copy of their own, closed for writes. */
  readonly reference: readonly MovedTable[]
  /** Tables of which every service has its own (number series, settings): copied along, open from its switch on. */
  readonly common: readonly MovedTable[]
  /** Tables of other services of which it keeps rows; see `ServiceTopology.keeps`. */
  readonly keeps: readonly KeptTable[]
  /** Rows and bytes by the server's estimate when it was planned. */
  readonly rows: number
  readonly bytes: number
  /** Foreign keys of the shared database with one end here and the other elsewhere. */
  readonly crossingKeys: readonly OwnedForeignKey[]
  /** Foreign keys inside the service, by its own names. */
  readonly innerKeys: readonly OwnedForeignKey[]
  /** Read-only copies of tables for other services. */
  readonly copies: readonly { readonly table: MovedTable; readonly readers: readonly string[] }[]
  readonly findings: readonly TypeFinding[]
  /** Null: the script that its modules were bundled to is in its folder already. */
  readonly schema: ServiceMigrations | null
  /** What a database of one's own cannot have as it was, beyond its keys across. */
  readonly leftOut: readonly { readonly object: string; readonly reason: string }[]
}
