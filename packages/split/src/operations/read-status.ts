import { serves, type State } from '../ledger/states.ts'
import type { OwnedForeignKey } from '../side.ts'
import type { Split } from '../split.ts'

export interface ServiceStatus {
  readonly service: string
  readonly database: string
  readonly state: State
  readonly serves: 'shared' | 'own'
  readonly tables: number
  readonly since: Date
  /** Rows whose every value was compared, and when. */
  readonly verified: { readonly rows: number; readonly at: string } | null
  readonly gapMs: number | null
  /** Foreign keys that still lead out of the service or into it. */
  readonly crossingKeys: number
  /** It has its own tables, migrations and user, and nothing of another service stands in its way. */
  readonly independent: boolean
}

export interface SplitStatus {
  readonly source: string
  readonly services: readonly ServiceStatus[]
  readonly servicesWithOwnDatabase: number
  readonly sharedTables: number
  readonly crossingKeys: number
  readonly verifiedShare: number
}

/** The figures of the dashboard, from the ledger and the shared database as they are now. */
export async function readStatus(split: Split): Promise<SplitStatus> {
  const plan = await split.plan()
  const entries = await split.ledger.all()
  const catalog = await split.source.side.catalog()
  const present = new Set(catalog.tables.map(({ schema, name }) => `${schema}.${name}`))
  const dropped = new Set(entries.flatMap(({ detail }) => detail.droppedKeys?.map(keyId) ?? []))
  const crossing = new Set(plan.services.flatMap((service) => service.crossingKeys.map(keyId)))
  const services = plan.services.map((service): ServiceStatus => {
    const entry = entries.find((one) => one.service === service.name)
    const state = entry?.state ?? 'mapped'
    const isOwn = serves(state) === 'own'
    const crossingKeys = service.crossingKeys.filter((key) => !dropped.has(keyId(key))).length
    return {
      service: service.name,
      database: service.database,
      state,
      serves: serves(state),
      tables: service.tables.length,
      since: entry?.enteredAt ?? new Date(),
      verified: entry?.detail.verified ?? null,
      gapMs: entry?.detail.gapMs ?? null,
      crossingKeys,
      independent: isOwn && crossingKeys === 0,
    }
  })
  const tables = plan.services.flatMap((service) => service.tables)
  const planned = tables.length
  const stillShared = plan.services
    .filter(({ name }) => services.some(({ service, serves: where }) => service === name && where === 'shared'))
    .flatMap((service) => service.tables)
    .filter(({ source }) => present.has(`${source.schema}.${source.name}`))
  const verified = services.filter((service) => service.verified !== null).reduce((sum, one) => sum + one.tables, 0)
  return {
    source: plan.source,
    services,
    servicesWithOwnDatabase: services.filter(({ serves: where }) => where === 'own').length,
    sharedTables: stillShared.length,
    crossingKeys: [...crossing].filter((key) => !dropped.has(key)).length,
    verifiedShare: planned === 0 ? 1 : verified / planned,
  }
}

/** Names of foreign keys are a table's own. */
function keyId({ table, name }: OwnedForeignKey): string {
  return `${table.schema}.${table.name}.${name}`
}
