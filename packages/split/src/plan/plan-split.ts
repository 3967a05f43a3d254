import { createHash } from 'node:crypto'
import type { LooseKey, LooseTable } from '../loose-keys/loose-key.ts'
import { SHARED_READ, type CheckedOwnerMap, type OwnedTable } from '../map/owner-map.ts'
import { tableId, type MovedTable, type ReferentialAction, type SharedForeignKey, type TableName } from '../model.ts'
import type { OwnedForeignKey, SharedCatalog } from '../side.ts'
import type { TypeFinding } from '../types/map-tables.ts'
import type { ServicePlan, SplitPlan } from './split-plan.ts'

/** What depends on the kind of the shared database. */
export interface Dialect {
  readonly kind: 'mariadb' | 'postgres'
  /** Target types and names, chosen by what the rows hold. */
  moved(tables: readonly OwnedTable[]): Promise<{
    readonly tables: readonly MovedTable[]
    readonly findings: readonly TypeFinding[]
  }>
  /** The migrations of a service; `copies` are tables of other services that it gets read-only. */
  schema(tables: readonly MovedTable[], copies: readonly MovedTable[]): Promise<Pick<ServicePlan, 'schema' | 'leftOut'>>
}

/** Decides for every service what moves, as what, and what its keys across the border become. */
export async function planSplit(
  map: CheckedOwnerMap,
  catalog: SharedCatalog,
  dialect: Dialect,
  { source, mapText }: { readonly source: string; readonly mapText: string },
): Promise<SplitPlan> {
  const { tables, findings } = await dialect.moved(map.tables)
  const movedOf = new Map(tables.map((table) => [tableId(table.source), table]))
  const owners = new Map(map.tables.map((owned) => [tableId(owned.table), owned]))
  const keys = catalog.tables.flatMap((table) =>
    table.foreignKeys.map((key): OwnedForeignKey => ({ ...key, table: { schema: table.schema, name: table.name } })),
  )
  const ownerOf = (table: TableName) => owners.get(tableId(table))?.owner
  const isCrossing = (key: OwnedForeignKey) => {
    const [child, parent] = [ownerOf(key.table), ownerOf(key.references)]
    return child !== parent && parent !== SHARED_READ
  }
  // They are not lost: each becomes a loose key.
  const crossing = new Set(
    keys
      .filter(isCrossing)
      .flatMap(({ name, table }) =>
        ['foreign key', 'constraint'].map((kind) => `${kind} ${name} on ${tableId(table)}`),
      ),
  )
  const reference = tablesOf(
    map.tables.filter(({ owner }) => owner === SHARED_READ),
    movedOf,
  )

  const services: ServicePlan[] = []
  for (const { name, database, tables: owned } of map.services) {
    if (database === null) continue
    const own = tablesOf(owned, movedOf)
    const inHere = new Set([...own, ...reference].map((table) => tableId(table.source)))
    const { schema, leftOut } = await dialect.schema(
      [...own, ...reference],
      tablesOf(
        map.tables.filter(({ copies }) => copies.includes(name)),
        movedOf,
      ),
    )
    services.push({
      name,
      database,
      tables: own,
      reference,
      common: [],
      keeps: [],
      rows: owned.reduce((sum, { table }) => sum + table.rows, 0),
      bytes: owned.reduce((sum, { table }) => sum + table.bytes, 0),
      crossingKeys: keys.filter(
        (key) => isCrossing(key) && (ownerOf(key.table) === name || ownerOf(key.references) === name),
      ),
      innerKeys: keys
        .filter((key) => inHere.has(tableId(key.table)) && inHere.has(tableId(key.references)))
        .map((key) => byOwnNames(key, movedOf)),
      copies: owned
        .filter(({ copies }) => copies.length > 0)
        .map(({ table, copies }) => ({ table: movedOf.get(tableId(table)) as MovedTable, readers: copies })),
      findings: findings.filter(({ table }) => inHere.has(tableId(table))),
      schema,
      leftOut: leftOut.filter(({ object }) => !crossing.has(object)),
    })
  }
  return {
    kind: dialect.kind,
    source,
    mapHash: createHash('sha256').update(mapText).digest('hex'),
    services: services.toSorted((a, b) => a.crossingKeys.length - b.crossingKeys.length || a.rows - b.rows),
    looseKeys: keys.filter(isCrossing).flatMap((key) => looseKeysOf(key, { movedOf, ownerOf, services })),
  }
}

function tablesOf(owned: readonly OwnedTable[], movedOf: ReadonlyMap<string, MovedTable>): MovedTable[] {
  return owned.map(({ table }) => movedOf.get(tableId(table)) as MovedTable)
}

function byOwnNames(key: OwnedForeignKey, movedOf: ReadonlyMap<string, MovedTable>): OwnedForeignKey {
  const child = movedOf.get(tableId(key.table)) as MovedTable
  const parent = movedOf.get(tableId(key.references)) as MovedTable
  return { ...key, table: child.target, references: { ...parent.target, columns: key.references.columns } }
}

/** One, or for a table of `shared-read` one in every service that has a copy of it and not the parent. */
function looseKeysOf(
  key: OwnedForeignKey,
  of: {
    readonly movedOf: ReadonlyMap<string, MovedTable>
    readonly ownerOf: (table: TableName) => string | undefined
    readonly services: readonly ServicePlan[]
  },
): LooseKey[] {
  const end = (service: string, table: TableName, columns: readonly string[]): LooseTable => {
    const { source, target } = of.movedOf.get(tableId(table)) as MovedTable
    return { service, shared: source, own: target, columns }
  }
  const [owner, parent] = [of.ownerOf(key.table) as string, of.ownerOf(key.references) as string]
  const readers = of.services.map(({ name }) => name).filter((name) => name !== parent)
  return (owner === SHARED_READ ? readers : [owner]).map((child) => ({
    name: key.name,
    child: end(child, key.table, key.columns),
    parent: end(parent, { schema: key.references.schema, name: key.references.name }, key.references.columns),
    onDelete: looseAction(key),
  }))
}

const actions: Readonly<Record<ReferentialAction, LooseKey['onDelete']>> = {
  cascade: 'delete',
  'set null': 'nullify',
  'no action': 'report',
  restrict: 'report',
  'set default': 'report',
}

function looseAction({ onDelete }: SharedForeignKey): LooseKey['onDelete'] {
  return actions[onDelete]
}
