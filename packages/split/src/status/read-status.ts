import { judge, type AllowList } from '../deps/allow-list/allow-list.ts'
import type { Dependency } from '../deps/dependency.ts'
import { findDependencies } from '../deps/find-dependencies.ts'
import { serves, type State } from '../ledger/states.ts'
import { ownersOf, SHARED_READ } from '../map/owner-map.ts'
import { tableId } from '../model.ts'
import type { SharedCatalog } from '../side.ts'
import type { Split } from '../split.ts'
import { mapOfPlan } from './map-of-plan.ts'
import { readLag } from './read-lag.ts'
import { readSeparation } from './read-separation.ts'
import type { ServiceStatus, SplitStatus } from './split-status.ts'

/** States in which the comparison of the ledger speaks of the rows that are there. */
const verifiedStates: readonly State[] = [
  'verified',
  'armed',
  'fenced',
  'drained',
  'committed',
  'reversible',
  'reverting',
  'retired',
]

/** The figures of the dashboard, from the ledger and the databases as they are now. */
export async function readStatus(split: Split, allowList: AllowList | null = null): Promise<SplitStatus> {
  const plan = await split.plan()
  const [entries, catalog, separation] = await Promise.all([
    split.ledger.all(),
    split.source.side.catalog(),
    readSeparation(split, plan),
  ])
  const map = mapOfPlan(plan, catalog.tables)
  const keys = crossingKeys(catalog, ownersOf(map))
  const findings = await findDependencies({ catalog, dialect: plan.kind, map })
  const { refused, refusedUnknown, allowed } = judge(findings, allowList)
  const services: ServiceStatus[] = []
  for (const { name, database, tables } of plan.services) {
    const entry = entries.find(({ service }) => service === name)
    const state = entry?.state ?? 'mapped'
    const crossing = keys.filter((ends) => ends.includes(name)).length
    const { ownUser, migrations, canEnter } = separation(database)
    const isolated = ownUser && canEnter.length === 0
    services.push({
      service: name,
      database,
      state,
      serves: serves(state),
      tables: tables.length,
      since: entry?.enteredAt ?? new Date(),
      verified: (verifiedStates.includes(state) && entry?.detail.verified) || null,
      gapMs: entry?.detail.gapMs ?? null,
      crossingKeys: crossing,
      queriesAcross: refused.filter(({ from, to }) => from.service === name || to.service === name).length,
      lag: await readLag(split, { name, database }, state),
      isolation: { canEnter, isolated },
      deployment: {
        ownUser,
        migrations,
        independent: serves(state) === 'own' && isolated && migrations === 'clean' && crossing === 0,
      },
    })
  }
  const present = new Set(catalog.tables.map(tableId))
  const shared = new Set(services.filter((one) => one.serves === 'shared').map(({ service }) => service))
  const planned = services.reduce((sum, one) => sum + one.tables, 0)
  const verified = services.filter((one) => one.verified !== null).reduce((sum, one) => sum + one.tables, 0)
  const open = new Set<Dependency>(refused)
  return {
    source: plan.source,
    at: new Date(),
    services,
    servicesWithOwnDatabase: services.filter((one) => one.serves === 'own').length,
    sharedTables: plan.services
      .filter(({ name }) => shared.has(name))
      .flatMap(({ tables }) => tables)
      .filter(({ source }) => present.has(tableId(source))).length,
    crossingKeys: keys.length,
    queriesAcross: { open: refused.length, allowed: allowed.length, unknown: refusedUnknown.length },
    verifiedShare: planned === 0 ? 1 : verified / planned,
    isolatedServices: services.filter(({ isolation }) => isolation.isolated).length,
    independentServices: services.filter(({ deployment }) => deployment.independent).length,
    dependencies: findings.dependencies.map((one) => ({ ...one, open: open.has(one) })),
  }
}

/** The services at both ends of every foreign key that is there and leads from one to another. */
function crossingKeys({ tables }: SharedCatalog, ownerOf: ReturnType<typeof ownersOf>): (readonly string[])[] {
  return tables.flatMap((table) =>
    table.foreignKeys.flatMap(({ references }) => {
      const [child, parent] = [ownerOf(table), ownerOf(references)]
      const isCrossing = child !== undefined && parent !== undefined && child !== parent && parent !== SHARED_READ
      return isCrossing ? [[child, parent]] : []
    }),
  )
}
