import { isAtRest, serves } from '../ledger/states.ts'
import { findLooseOrphans, workLooseKeys, type LooseWorld, type WorkResult } from '../loose-keys/work.ts'
import { postgresEnd } from '../loose-keys/postgres-end.ts'
import type { LooseEnd } from '../loose-keys/loose-key.ts'
import type { Split } from '../split.ts'

/**
 * Deletes or nullifies children of parents that were deleted in another service, up to now. Of all keys: what is still a
 * foreign key has done that itself, and nothing is left to do.
 */
export async function workLooseKeysOf(split: Split, signal: AbortSignal): Promise<WorkResult> {
  const { looseKeys } = await split.plan()
  return workLooseKeys(looseKeys, await looseWorld(split), signal)
}

/** Keys across services that lead nowhere, by the name of the foreign key that there was. */
export async function looseOrphansOf(split: Split, signal: AbortSignal) {
  const { looseKeys } = await split.plan()
  const entries = await split.ledger.all()
  const isAway = (name: string) => !isAtRest(entries.find(({ service }) => service === name)?.state)
  // the others are foreign keys of the shared database
  const loose = looseKeys.filter(({ child, parent }) => isAway(child.service) || isAway(parent.service))
  return findLooseOrphans(loose, await looseWorld(split), signal)
}

async function looseWorld(split: Split): Promise<LooseWorld> {
  const { services } = await split.plan()
  const states = new Map((await split.ledger.all()).map(({ service, state }) => [service, state]))
  const ends = new Map<string, LooseEnd>(
    services
      .filter(({ name }) => serves(states.get(name)) === 'own' || states.get(name) === 'reverted')
      .map(({ name, database }) => [name, postgresEnd(split.databaseOf(database))]),
  )
  const shared = split.source.looseEnd
  return {
    // a service that was taken back may have deleted parents until then
    ends: [shared, ...ends.values()],
    locate: (table) => {
      const end = serves(states.get(table.service)) === 'own' ? ends.get(table.service) : undefined
      return end ? { end, name: table.own } : { end: shared, name: table.shared }
    },
  }
}
