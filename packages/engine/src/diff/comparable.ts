import type { Catalog } from '../catalog/model.ts'
import { withGroups } from '../catalog/with-groups.ts'
import { KNEX_TABLES } from '../migrate/other-tools.ts'

/**
 * Leaves out of two catalogs what is no part of the schema that people wrote: the history of migrations, partitions that
 * only one side has of a table that both have (jobs make and drop them), and roles of the server that one side never
 * names. Whoever ran the migrations on the right side is what the runner without a name is on the left. Changes both.
 */
export function makeComparable(left: Catalog, right: Catalog, historyTable: string): void {
  nameRunner(left, right, historyTable)
  makeReplaysComparable(left, right, historyTable)
  dropPartitionsOf(left, right)
  dropPartitionsOf(right, left)
}

/** The same for what two replays of files made: no job runs there, every partition is the files' own. */
export function makeReplaysComparable(left: Catalog, right: Catalog, historyTable: string): void {
  for (const catalog of [left, right]) dropBook(catalog, historyTable)
  keepNamedRoles(left, right)
  for (const name of KNEX_TABLES) {
    const [one, other] = [left, right].map((catalog) => catalog.tables.has(`public.${name}`))
    if (one === other) continue
    for (const catalog of [left, right]) dropTable(catalog, `public.${name}`)
  }
}

/** A schema that holds nothing but the history was made for it. */
function dropBook(catalog: Catalog, historyTable: string): void {
  const key = keyOf(historyTable)
  if (!catalog.tables.has(key)) return
  dropTable(catalog, key)
  const [schema = ''] = key.split('.')
  const maps = [catalog.types, catalog.sequences, catalog.tables, catalog.views, catalog.functions]
  const isUsed = maps.some((map) => [...map.values()].some((item) => item.schema === schema))
  if (!isUsed && schema !== 'public') catalog.schemas.delete(schema)
}

function dropTable(catalog: Catalog, key: string): void {
  catalog.tables.delete(key)
  for (const [name, { ownedBy }] of catalog.sequences)
    if (ownedBy?.startsWith(`${key}.`)) catalog.sequences.delete(name)
}

function dropPartitionsOf(catalog: Catalog, other: Catalog): void {
  for (const [key, table] of catalog.tables) {
    if (table.partitionOf !== null && other.tables.has(table.partitionOf) && !other.tables.has(key))
      catalog.tables.delete(key)
  }
}

/**
 * Roles that own, may do or are addressed by something, and every role that they are in. Members come along where both
 * sides have them: `imhotep_app` has no grant of its own. Other members are logins that one server has.
 */
function keepNamedRoles(left: Catalog, right: Catalog): void {
  leaveIdleGroups(left, right)
  const sides = [left, right]
  const named = new Set(sides.flatMap((catalog) => [...withGroups(namedRoles(catalog), catalog.roles)]))
  const members = [...left.roles.keys()].filter(
    (name) =>
      right.roles.has(name) &&
      sides.some((catalog) => [...withGroups([name], catalog.roles)].some((own) => named.has(own))),
  )
  for (const catalog of sides) {
    const kept = withGroups([...namedRoles(catalog), ...members], catalog.roles)
    for (const name of catalog.roles.keys()) if (!kept.has(name)) catalog.roles.delete(name)
  }
}

/** Other databases of a server put the roles that both have into groups that give them nothing in this one. */
function leaveIdleGroups(left: Catalog, right: Catalog): void {
  const named = namedRoles(right)
  const gives = (name: string) => {
    const role = right.roles.get(name)
    // Only PostgreSQL's own roles are in no catalog.
    return named.has(name) || !role || role.superuser || role.bypassRls
  }
  for (const [name, role] of right.roles) {
    const before = left.roles.get(name)
    if (!before) continue
    const has = withGroups([name], left.roles)
    const memberOf = role.memberOf.filter(
      (group) =>
        before.memberOf.includes(group) ||
        [...withGroups([group], right.roles)].some((own) => !has.has(own) && gives(own)),
    )
    right.roles.set(name, { ...role, memberOf })
  }
}

function namedRoles(catalog: Catalog): Set<string> {
  const named = new Set<string>()
  const maps = [catalog.schemas, catalog.types, catalog.sequences, catalog.tables, catalog.views, catalog.functions]
  for (const map of maps) {
    for (const item of map.values()) {
      if (item.owner !== null) named.add(item.owner)
      for (const { grantee } of item.grants) named.add(grantee)
    }
  }
  for (const { grants } of catalog.others.values()) for (const { grantee } of grants) named.add(grantee)
  for (const table of catalog.tables.values()) {
    for (const policy of table.policies.values()) for (const role of policy.roles) named.add(role)
  }
  return named
}

/**
 * What the replay gave to nobody belongs on the right to whoever ran the migrations there, to a superuser, or to
 * somebody who got it by hand: that one is a difference.
 */
function nameRunner(left: Catalog, right: Catalog, historyTable: string): void {
  const runner = right.tables.get(keyOf(historyTable))?.owner
  if (!runner) return
  const maps = ['schemas', 'types', 'sequences', 'tables', 'views', 'functions'] as const
  for (const map of maps) {
    for (const [key, item] of left[map]) {
      const other = right[map].get(key)
      if (item.owner !== null || !other || other.owner === null) continue
      if (other.owner === runner) other.owner = null
      else if (right.roles.get(other.owner)?.superuser !== true) item.owner = runner
    }
  }
}

function keyOf(historyTable: string): string {
  return historyTable.includes('.') ? historyTable : `public.${historyTable}`
}
