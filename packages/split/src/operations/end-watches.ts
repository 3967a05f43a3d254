import { MoveUnderWayError } from '../ledger/errors.ts'
import { isAtRest } from '../ledger/states.ts'
import { watchedParents } from '../loose-keys/watched-parents.ts'
import type { Split } from '../split.ts'

/** Takes the triggers that remember changes for other services out of the shared database, when no service is away or on its way. */
export async function endWatches(split: Split): Promise<void> {
  const entries = await split.ledger.all()
  if (!entries.every(({ state }) => isAtRest(state))) return
  const locked: string[] = []
  try {
    for (const { service } of entries) {
      await split.ledger.lock(service)
      locked.push(service)
    }
    const { looseKeys } = await split.plan()
    for (const { table } of watchedParents(looseKeys, 'shared')) await split.source.looseEnd.unwatch(table)
    const projections = await split.projections()
    await projections.end()
  } catch (error) {
    // Another process has just begun to move one of them: its triggers stay.
    if (!(error instanceof MoveUnderWayError)) throw error
  } finally {
    for (const service of locked) await split.ledger.unlock(service)
  }
}
