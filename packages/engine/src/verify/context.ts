import { qualifiedName, type Catalog, type Role, type Table } from '../catalog/model.ts'
import { withGroups } from '../catalog/with-groups.ts'
import { noFacts, type Facts } from './facts.ts'
import { matchesName } from './match-name.ts'
import type { Scope, TablePolicy, VerifyPolicy } from './policy.ts'
import { parseTags } from './tags.ts'

/** What rules read: the catalog, what it is measured against, and answers that several rules need. */
export interface VerifyContext {
  readonly catalog: Catalog
  readonly policy: VerifyPolicy
  readonly facts: Facts
  /** Tables outside the ignored schemas, partitions included. */
  readonly tables: readonly Table[]
  /** Tables whose rows belong to a tenant (scope tenant, shared or root), partitions included. */
  readonly tenantTables: readonly Table[]
  /** The table with a row a tenant; undefined where there is none. */
  readonly rootTable: Table | undefined
  /** Comments of tables carry tags: a convention that rules may hold every table to. */
  readonly hasTags: boolean
  /** Row level security is in use, or ought to be: some table is a tenant's, or has it switched on. */
  readonly hasRowSecurity: boolean
  /** Application roles and every role that they are a member of. */
  readonly applicationRoles: ReadonlySet<string>
  /** Roles with a login that are members of an application role: a server's own, that no file makes. */
  readonly applicationLogins: readonly string[]
}

export function makeContext(catalog: Catalog, policy: VerifyPolicy, facts: Facts = noFacts): VerifyContext {
  const tables = [...catalog.tables.values()].filter((table) => !policy.ignoredSchemas.includes(table.schema))
  const tenantTables = tables.filter((table) => scopeOf(table, { catalog, policy }) !== 'global')
  return {
    catalog,
    policy,
    facts,
    tables,
    tenantTables,
    rootTable: tenantTables.find((table) => scopeOf(table, { catalog, policy }) === 'root'),
    hasTags: tables.some((table) => parseTags(table.comment).has('class')),
    hasRowSecurity: tenantTables.length > 0 || tables.some((table) => table.rlsEnabled),
    applicationRoles: withGroups(policy.applicationRoles, catalog.roles),
    applicationLogins: loginsIn(policy.applicationRoles, withoutAdministrators(catalog.roles, facts)),
  }
}

/** What rules need to know about a table beyond its definition. */
type Known = Pick<VerifyContext, 'catalog' | 'policy'>

/** The scope that the comment states, else the policy; without both it follows from the columns. A partition has its parent's. */
export function scopeOf(table: Table, context: Known): Scope {
  const stated = statedScope(table, context)
  if (stated) return stated
  const column = topOf(table, context.catalog).columns.get(context.policy.tenantColumn)
  if (!column) return 'global'
  return column.notNull ? 'tenant' : 'shared'
}

/** The scope that the comment or the policy states, whatever the columns are; undefined where neither does. */
export function statedScope(table: Table, { catalog, policy }: Known): Scope | undefined {
  const top = topOf(table, catalog)
  if (nameOf(top) === policy.rootTable) return 'root'
  const tagged = parseTags(top.comment).get('scope')
  if (tagged === 'tenant' || tagged === 'shared' || tagged === 'root') return tagged
  // A comment cannot take a table with the column out of the isolation; the policy, which is reviewed by itself, can.
  return tagged === undefined ? configured(top, 'scope', policy) : undefined
}

/** The policy, which is reviewed by itself, takes the table out of the isolation. */
export function isGlobalByPolicy(table: Table, { catalog, policy }: Known): boolean {
  return configured(topOf(table, catalog), 'scope', policy) === 'global'
}

/** What the policy says about a table: for each property the first entry that states it counts. */
function configured<Key extends keyof TablePolicy>(
  table: Table,
  key: Key,
  { tables }: VerifyPolicy,
): TablePolicy[Key] | undefined {
  const name = nameOf(table)
  return tables.find((entry) => entry[key] !== undefined && matchesName(entry.match, name))?.[key]
}

/** A property that the comment states as a tag, else the policy; a partition has its parent's. */
function statedOf(table: Table, key: 'class' | 'owner' | 'retention', { catalog, policy }: Known): string | null {
  const top = topOf(table, catalog)
  return parseTags(top.comment).get(key) ?? configured(top, key, policy) ?? null
}

/** The column that says whose row it is: the root table's own id, elsewhere the tenant column. */
export function tenantColumnOf(table: Table, context: VerifyContext): string {
  return scopeOf(table, context) === 'root' ? 'id' : context.policy.tenantColumn
}

/** The class of a table's rows: the tag `class`, else the policy's word. */
export function classOf(table: Table, context: Known): string | null {
  return statedOf(table, 'class', context)
}

/** Who answers for the table. */
export function ownerOf(table: Table, context: Known): string | null {
  return statedOf(table, 'owner', context)
}

export function retentionOf(table: Table, context: Known): string | null {
  return statedOf(table, 'retention', context)
}

export function isProtected(table: Table, context: Known): boolean {
  const name = classOf(table, context)
  return name !== null && context.policy.protectedClasses.includes(name)
}

/**
 * A table is append-only when its comment (`append_only=1`) or the policy says so, or when one of the two refusing
 * triggers stands on it, so that taking away either trigger is noticed.
 */
export function isAppendOnly(table: Table, context: Known): boolean {
  const top = topOf(table, context.catalog)
  if (parseTags(top.comment).get('append_only') === '1' || configured(top, 'appendOnly', context.policy)) return true
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

function loginsIn(applicationRoles: readonly string[], roles: ReadonlyMap<string, Role>): string[] {
  const isMember = (name: string) => {
    const groups = withGroups([name], roles)
    return applicationRoles.some((own) => groups.has(own))
  }
  return [...roles.values()]
    .filter(({ name, login }) => login && !applicationRoles.includes(name) && isMember(name))
    .map(({ name }) => name)
}

/** Whoever may only hand a role on does not log in as the application. */
function withoutAdministrators(roles: ReadonlyMap<string, Role>, facts: Facts): ReadonlyMap<string, Role> {
  const administered = new Map(facts.roles.map(({ name, administers }) => [name, administers]))
  return new Map(
    [...roles].map(([name, role]) => {
      const memberOf = role.memberOf.filter((group) => !administered.get(name)?.includes(group))
      return [name, { ...role, memberOf }]
    }),
  )
}
