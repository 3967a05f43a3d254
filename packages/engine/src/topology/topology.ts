import type { StartOfTable } from '../modules/module.ts'

/** What one service's database holds when services do not share one, and what it holds instead of the others' tables. */
export interface ServiceTopology {
  readonly service: string
  /** Names of its modules, in dependency order; the kernel's come on top in every database. */
  readonly modules: string[]
  /** `schema.table` of every table that is the service's own, sorted; partitions go with their table. */
  readonly tables: string[]
  /** `schema.table` of the kernel -> what it starts with. */
  readonly kernelTables: Readonly<Record<string, StartOfTable>>
  /** Sorted by table and constraint. */
  readonly softReferences: SoftReference[]
  /** Tables of other services that stand here as views of what their owners publish, sorted. */
  readonly projections: PublishedTable[]
  /** Every table of other services of which the service keeps rows: those that it refers to or reads, sorted. */
  readonly keeps: PublishedTable[]
  /** Own tables that other services refer to or read, sorted. */
  readonly publishes: PublishedTable[]
  /** `schema.function` of functions of other services that only read, and stand here as well; sorted. */
  readonly copiedFunctions: string[]
  /** `schema.function` of its own that do here what they can without the others, sorted. */
  readonly rewritten: string[]
  /** What the service has on a shared database only, in the order of the modules. */
  readonly leftOut: LeftOutObject[]
}

/** A foreign key into another service's table, without its constraint. */
export interface SoftReference {
  /** `schema.table` that has the key. */
  readonly table: string
  readonly constraint: string
  /** The column that holds the other row's id. */
  readonly column: string
  /** `schema.table` of the other service. */
  readonly references: string
  /** Service that owns that table. */
  readonly owner: string
  /** False: a plain id, because the row may belong to no tenant. */
  readonly checked: boolean
}

export interface PublishedTable {
  /** `schema.table` */
  readonly table: string
  readonly owner: string
  /** Besides tenant and id. */
  readonly columns: string[]
  /** Query on the owner's tables that gives the rows of the table of projections. */
  readonly fill: string
}

export interface LeftOutObject {
  readonly kind: 'function' | 'trigger' | 'view' | 'statement'
  /** `schema.function`, `schema.table.trigger`, `schema.view`; the beginning of any other statement. */
  readonly object: string
  readonly file: string
  readonly line: number
  /** `calls b.f`, `reads a.t.c`, sorted. */
  readonly reasons: string[]
  /** Services that have what it needs, sorted; also for what needs something else that is left out. */
  readonly instead: string[]
}

/** What a schema calls the parts that this rests on. */
export interface TopologyOptions {
  /** Service whose modules every database holds. */
  readonly kernel: string
  readonly tenantColumn: string
  readonly softDeleteColumn: string
  /** Table that holds what a service knows of others' rows. */
  readonly refsTable: string
  /** `(tenant, table, id, constraint)`: refuses a row that is unknown or not active. */
  readonly requireFunction: string
  /** `(tenant, table, id, lifecycle, columns, verb)`: tells the others of a row. */
  readonly announceFunction: string
  /** `(schema, service)`: gives what is in a schema to the service's owner role. */
  readonly handOverFunction: string
  /** `(service)`: only the roles of the service may connect. */
  readonly closeFunction: string
  readonly roles: (service: string) => string[]
}

export const defaultTopologyOptions: TopologyOptions = {
  kernel: 'kernel',
  tenantColumn: 'tenant_id',
  softDeleteColumn: 'deleted_at',
  refsTable: 'core.entity_refs',
  requireFunction: 'core.require_entity',
  announceFunction: 'core.announce_entity',
  handOverFunction: 'core.hand_over',
  closeFunction: 'core.close_database',
  roles: (service) => [`${service}_owner`, `${service}_app`, `${service}_ro`],
}
