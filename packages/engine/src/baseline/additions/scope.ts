import type { Table } from '../../catalog/model.ts'
import { classOf, isProtected, nameOf, topOf } from '../../verify/context.ts'
import { matchesName } from '../../verify/match-name.ts'
import type { Scope } from '../../verify/policy.ts'
import { parseTags } from '../../verify/tags.ts'
import type { Drafting } from './addition.ts'

/** Whose rows a table is to hold: what its comment says, else the policy; every other table is a tenant's. */
export function plannedScope(table: Table, { catalog, policy }: Drafting): Scope {
  const top = topOf(table, catalog)
  const name = nameOf(top)
  if (name === policy.rootTable) return 'root'
  if (policy.ignoredSchemas.includes(top.schema)) return 'global'
  const tagged = parseTags(top.comment).get('scope')
  if (tagged === 'tenant' || tagged === 'shared' || tagged === 'root' || tagged === 'global') return tagged
  return policy.tables.find(({ match, scope }) => scope !== undefined && matchesName(match, name))?.scope ?? 'tenant'
}

export function isTenantTable(table: Table, draft: Drafting): boolean {
  return plannedScope(table, draft) === 'tenant'
}

/** Partitions and children have the columns of their parent, and its keys and triggers come down to partitions. */
export function hasParent(table: Table, { catalog }: Drafting): boolean {
  return table.partitionOf !== null || table.inherits.some((parent) => catalog.tables.has(parent))
}

/** Tables whose changes are logged: those of a protected class; tenant tables of which nobody says a class. Never the log. */
export function isAudited(table: Table, draft: Drafting): boolean {
  if (table.schema === draft.policy.auditSchema) return false
  if (classOf(table, draft) !== null) return isProtected(table, draft)
  return isTenantTable(table, draft)
}
