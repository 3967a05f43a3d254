import { qualifiedName, type Catalog, type Role, type Table } from '../catalog/model.ts'
import type { VerifyPolicy } from './policy.ts'
import { parseTags } from './tags.ts'

/** Facts that are rows, not definitions. */
export interface Facts {
  /** `schema.table` of every state machine that has transition rules. */
  readonly machines: readonly string[]
}

/** What rules read: the catalog, what it is measured against, and answers that several rules need. */
export interface VerifyContext {
  readonly catalog: Catalog
  readonly policy: VerifyPolicy
  readonly facts: Facts
  /** Tables outside the ignored schemas, partitions included. */
  readonly tables: readonly Table[]
  /** Tables whose rows belong to a tenant (scope tenant, shared or root), partitions included. */
  readonly tenantTables: readonly Table[]
  /** Application roles and every role that they are a member of. */
  readonly applicationRoles: ReadonlySet<string>
}

/** tenant: every row has a tenant. shared: rows without one are everybody's. root: a row is a tenant. global: no tenant. */
export type Scope = 'tenant' | 'shared' | 'root' | 'global'

export function makeContext(catalog: Catalog, policy: VerifyPolicy, facts: Facts = { machines: [] }): VerifyContext {
  const tables = [...catalog.tables.values()].filter((table) => !policy.ignoredSchemas.includes(table.schema))
  const context = { catalog, policy, facts, tables, tenantTables: [] as Table[], applicationRoles: new Set<string>() }
  context.tenantTables = tables.filter((table) => scopeOf(table, context) !== 'global')
  context.applicationRoles = withMemberships(policy.applicationRoles, catalog.roles)
  return context
}

/** The scope that the comment states; without one it follows from the columns. A partition has its parent's. */
export function scopeOf(table: Table, context: Pick<VerifyContext, 'catalog' | 'policy'>): Scope {
  const top = topOf(table, context.catalog)
  const { policy } = context
  if (nameOf(top) === policy.rootTable) return 'root'
  const column = top.columns.get(policy.tenantColumn)
  const stated = parseTags(top.comment).get('scope')
  if (stated === 'tenant' || stated === 'shared' || stated === 'root') return stated
  if (!column) return 'global'
  return column.notNull ? 'tenant' : 'shared'
}

/** The column that says whose row it is: the root table's own id, elsewhere the tenant column. */
export function tenantColumnOf(table: Table, context: VerifyContext): string {
  return scopeOf(table, context) === 'root' ? 'id' : context.policy.tenantColumn
}

/** The value of the tag `class`; a partition has its parent's. */
export function classOf(table: Table, catalog: Catalog): string | null {
  return parseTags(topOf(table, catalog).comment).get('class') ?? null
}

export function isProtected(table: Table, context: VerifyContext): boolean {
  const name = classOf(table, context.catalog)
  return name !== null && context.policy.protectedClasses.includes(name)
}

/**
 * A table is append-only when its comment says so (`append_only=1`) or when one of the two refusing triggers stands on
 * it, so that taking away either trigger is noticed.
 */
export function isAppendOnly(table: Table, context: VerifyContext): boolean {
  const top = topOf(table, context.catalog)
  if (parseTags(top.comment).get('append_only') === '1') return true
  return [...top.triggers.values()].some(
    (trigger) =>
      trigger.function === context.policy.appendOnlyFunction &&
      trigger.when === null &&
      trigger.updateColumns.length === 0 &&
      (trigger.events.includes('update') || trigger.events.includes('truncate')),
  )
}

export function nameOf(object: { readonly schema: string; readonly name: string }): string {
  return qualifiedName(object.schema, object.name)
}

/** The partitioned table at the top of a tree of partitions; the table itself when it is none. */
export function topOf(table: Table, catalog: Catalog): Table {
  const parent = table.partitionOf === null ? undefined : catalog.tables.get(table.partitionOf)
  return parent ? topOf(parent, catalog) : table
}

function withMemberships(names: readonly string[], roles: Map<string, Role>): Set<string> {
  const found = new Set<string>()
  const open = [...names]
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (found.has(name)) continue
    found.add(name)
    open.push(...(roles.get(name)?.memberOf ?? []))
  }
  return found
}
