import type { Catalog } from '../catalog/model.ts'

/**
 * Leaves out of two catalogs what is no part of the schema that people wrote: the history of migrations, partitions that
 * only one side has of a table that both have (jobs make and drop them), and roles of the server that one side never
 * names. Changes both.
 */
export function makeComparable(left: Catalog, right: Catalog, historyTable: string): void {
  makeReplaysComparable(left, right, historyTable)
  dropPartitionsOf(left, right)
  dropPartitionsOf(right, left)
}

/** The same for what two replays of files made: no job runs there, every partition is the files' own. */
export function makeReplaysComparable(left: Catalog, right: Catalog, historyTable: string): void {
  for (const catalog of [left, right]) {
    dropBook(catalog, historyTable)
    keepNamedRoles(catalog)
  }
  for (const name of ['knex_migrations', 'knex_migrations_lock']) {
    const [one, other] = [left, right].map((catalog) => catalog.tables.has(`public.${name}`))
    if (one === other) continue
    for (const catalog of [left, right]) dropTable(catalog, `public.${name}`)
  }
}

/** A schema that holds nothing but the history was made for it. */
function dropBook(catalog: Catalog, historyTable: string): void {
  const key = historyTable.includes('.') ? historyTable : `public.${historyTable}`
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

function keepNamedRoles(catalog: Catalog): void {
  const named = new Set<string>()
  const maps = [catalog.schemas, catalog.types, catalog.sequences, catalog.tables, catalog.views, catalog.functions]
  for (const map of maps) {
    for (const item of map.values()) {
      if (item.owner !== null) named.add(item.owner)
      for (const { grantee } of item.grants) named.add(grantee)
    }
  }
  for (const table of catalog.tables.values()) {
    for (const policy of table.policies.values()) for (const role of policy.roles) named.add(role)
  }
  for (const name of catalog.roles.keys()) if (!named.has(name)) catalog.roles.delete(name)
}
