import type { LooseKey, LooseTable } from '../loose-keys/loose-key.ts'
import type { MovedEntry } from '../map/owner-map.ts'
import { tableId, type TableName } from '../model.ts'
import type { ServicePlan, SplitPlan } from './split-plan.ts'

/** What a new plan finds done. */
export interface Done {
  readonly plan: SplitPlan
  /** Services of the plan that are retired. */
  readonly retired: readonly ServicePlan[]
  /** The migration that makes read-only copies of tables of a retired service, behind the scripts `madeBefore`. */
  readonly copiesOf: (owner: ServicePlan, tables: readonly TableName[], madeBefore: string) => Promise<string | null>
}

/**
 * Joins a plan for what is left in the shared database with the services that have left it: those stay as they were
 * planned, with the loose keys that begin or end at them. `moved` is what the new map says of their tables.
 */
export async function continuePlan(
  next: SplitPlan,
  moved: readonly MovedEntry[],
  { plan, retired, copiesOf }: Done,
): Promise<SplitPlan> {
  const names = new Set(retired.map(({ name }) => name))
  const owners = retired.map((service) => ({ ...service, copies: copiesNow(service, moved, names) }))
  const services: ServicePlan[] = []
  for (const service of next.services) services.push(await withCopies(service, owners, copiesOf))
  const kept = plan.looseKeys
    .filter(({ child, parent }) => names.has(child.service) || names.has(parent.service))
    .flatMap((key) => atTheirOwners(key, names, services))
  return {
    ...next,
    services: [...owners, ...services],
    looseKeys: [...new Map(kept.map((key) => [JSON.stringify(key), key])).values(), ...next.looseKeys],
  }
}

/** Its migrations make the copies of tables that have moved as well. */
async function withCopies(
  service: ServicePlan,
  owners: readonly ServicePlan[],
  copiesOf: Done['copiesOf'],
): Promise<ServicePlan> {
  const { name, schema } = service
  if (schema === null) return service
  const scripts = [schema.tables, schema.keys, schema.copies]
  for (const owner of owners) {
    const read = owner.copies.filter(({ readers }) => readers.includes(name)).map(({ table }) => table.target)
    if (read.length > 0) scripts.push(await copiesOf(owner, read, textOf(scripts)))
  }
  return { ...service, schema: { ...schema, copies: textOf(scripts.slice(2)) || null } }
}

function textOf(scripts: readonly (string | null)[]): string {
  return scripts.filter((script) => script !== null).join('\n')
}

/** Readers by the new map; one that is retired as well has its copy already and keeps it. */
function copiesNow(
  { tables, copies }: ServicePlan,
  moved: readonly MovedEntry[],
  retired: ReadonlySet<string>,
): ServicePlan['copies'] {
  return tables.flatMap((table) => {
    const id = tableId(table.source)
    const before = copies.find((copy) => tableId(copy.table.source) === id)?.readers ?? []
    const wanted = moved.find((entry) => tableId(entry.table) === id)?.copies ?? []
    const readers = [...new Set([...before.filter((reader) => retired.has(reader)), ...wanted])]
    return readers.length > 0 ? [{ table, readers }] : []
  })
}

/** A key whose other end may have another owner now, or be a static table in many services; none when it is gone. */
function atTheirOwners(key: LooseKey, retired: ReadonlySet<string>, services: readonly ServicePlan[]): LooseKey[] {
  const ends = (end: LooseTable, alsoStatic: boolean): LooseTable[] => {
    if (retired.has(end.service)) return [end]
    return services.flatMap(({ name, tables, reference }) =>
      [...tables, ...(alsoStatic ? reference : [])]
        .filter(({ source }) => tableId(source) === tableId(end.shared))
        .map(({ target }) => ({ ...end, service: name, own: target })),
    )
  }
  return ends(key.child, true).flatMap((child) => ends(key.parent, false).map((parent) => ({ ...key, child, parent })))
}
