import { serves } from '../ledger/states.ts'
import { findLooseOrphans, workLooseKeys, type LooseWorld, type WorkResult } from '../loose-keys/work.ts'
import { postgresEnd } from '../loose-keys/postgres-end.ts'
import type { LooseEnd, LooseKey } from '../loose-keys/loose-key.ts'
import type { Split } from '../split.ts'

/** Deletes or nullifies children of parents that were deleted in another service, up to now. */
export async function workLooseKeysOf(split: Split, signal: AbortSignal): Promise<WorkResult> {
  const { keys, world } = await looseWorld(split)
  return workLooseKeys(keys, world, signal)
}

/** Keys across services that lead nowhere, by the name of the foreign key that there was. */
export async function looseOrphansOf(split: Split, signal: AbortSignal) {
  const { keys, world } = await looseWorld(split)
  return findLooseOrphans(keys, world, signal)
}

/** Loose keys of services that left, or of parents that did: the others still are foreign keys of the shared database. */
async function looseWorld(split: Split): Promise<{ readonly keys: readonly LooseKey[]; readonly world: LooseWorld }> {
  const plan = await split.plan()
  const entries = await split.ledger.all()
  const own = new Set(entries.filter(({ state }) => serves(state) === 'own').map(({ service }) => service))
  const ends = new Map<string, LooseEnd>(
    plan.services
      .filter(({ name }) => own.has(name))
      .map(({ name, database }) => [name, postgresEnd(split.databaseOf(database))]),
  )
  const shared = split.source.looseEnd
  return {
    keys: plan.looseKeys.filter(({ child, parent }) => own.has(child.service) || own.has(parent.service)),
    world: {
      ends: [shared, ...ends.values()],
      locate: (table) => {
        const end = ends.get(table.service)
        return end ? { end, name: table.own } : { end: shared, name: table.shared }
      },
    },
  }
}
