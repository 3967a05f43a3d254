import { isAtRest, serves, type State } from '../ledger/states.ts'
import { findLooseOrphans, workLooseKeys, type LooseWorld, type WorkResult } from '../loose-keys/work.ts'
import { postgresEnd } from '../loose-keys/postgres-end.ts'
import type { LooseEnd } from '../loose-keys/loose-key.ts'
import type { ServiceEntry } from '../ledger/ledger.ts'
import type { SplitPlan } from '../plan/split-plan.ts'
import type { Split } from '../split.ts'

/**
 * Deletes or nullifies children of parents that were deleted in another service, up to now. Of all keys: what is still a
 * foreign key has done that itself, and nothing is left to do.
 */
export async function workLooseKeysOf(split: Split, signal: AbortSignal, takenBack?: string): Promise<WorkResult> {
  const plan = await split.plan()
  const entries = await split.ledger.all()
  // nobody may write to the tables of a service between its fence and its route: the next round does it
  if (entries.some(({ state }) => isSwitching(state))) return { keys: 0, rows: 0 }
  return workLooseKeys(plan.looseKeys, looseWorld(split, plan, entries, takenBack), signal)
}

function isSwitching(state: State): boolean {
  return ['fenced', 'drained', 'committed', 'reverting'].includes(state)
}

/** Keys across services that lead nowhere, by the name of the foreign key that there was. */
export async function looseOrphansOf(split: Split, signal: AbortSignal) {
  const plan = await split.plan()
  const entries = await split.ledger.all()
  const isAway = (name: string) => !isAtRest(entries.find(({ service }) => service === name)?.state)
  // the others are foreign keys of the shared database
  const loose = plan.looseKeys.filter(({ child, parent }) => isAway(child.service) || isAway(parent.service))
  return findLooseOrphans(loose, looseWorld(split, plan, entries), signal)
}

/** `takenBack` names a service that has just been reverted: it may have deleted parents until then. */
function looseWorld(
  split: Split,
  { services }: SplitPlan,
  entries: readonly ServiceEntry[],
  takenBack?: string,
): LooseWorld {
  const states = new Map(entries.map(({ service, state }) => [service, state]))
  const ends = new Map<string, LooseEnd>(
    services
      .filter(({ name }) => serves(states.get(name)) === 'own' || name === takenBack)
      .map(({ name, database }) => [name, postgresEnd(split.databaseOf(database))]),
  )
  const shared = split.source.looseEnd
  return {
    ends: [shared, ...ends.values()],
    locate: (table) => {
      const end = serves(states.get(table.service)) === 'own' ? ends.get(table.service) : undefined
      return end ? { end, name: table.own } : { end: shared, name: table.shared }
    },
  }
}
