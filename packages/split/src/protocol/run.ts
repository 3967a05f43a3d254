import { WrongStateError } from '../ledger/errors.ts'
import type { ServiceEntry } from '../ledger/ledger.ts'
import { states, type State } from '../ledger/states.ts'
import { startForward, startReverse } from './appliers.ts'
import type { Applier } from './applier.ts'
import type { Move } from './move.ts'
import { recover } from './recover.ts'
import { arm, switchOver } from './switch.ts'
import type { Verification } from './verify.ts'
import { clear, copy, provision, verify } from './way-there.ts'

/** What a run leaves behind. */
export interface RunResult {
  readonly entry: ServiceEntry
  /** Of the last verification of this run. */
  readonly verification?: Verification
  /** Keeps the shared database up to date for the way back; the caller stops it. Only of a service that was switched. */
  readonly reverse?: Applier
}

/**
 * Takes a service from wherever it is to `goal`: reads the ledger, repairs what a dead process left, and does the steps
 * that are missing. A cancelled or reverted service begins anew.
 */
export async function run(move: Move, goal: State): Promise<RunResult> {
  await move.ledger.lock(move.service)
  let forward: Applier | undefined
  try {
    let entry = await restartIfOver(move, await recover(move))
    let verification: Verification | undefined
    checkGoal(entry, goal)
    while (isBefore(entry.state, goal)) {
      move.signal.throwIfAborted()
      move.say(`${move.service} is ${entry.state}`)
      if (entry.state === 'mapped') entry = await clear(move, entry)
      else if (entry.state === 'cleared') entry = await provision(move, entry)
      else if (entry.state === 'provisioned' || entry.state === 'copying') entry = await copy(move, entry)
      else {
        forward ??= await startForward(move, entry)
        if (entry.state === 'streaming') ({ entry, verification } = await verify(move, entry, forward))
        else if (entry.state === 'verified') entry = await arm(move, entry, forward)
        else entry = await switchOver(move, entry, forward)
      }
    }
    const result = { entry, ...(verification && { verification }) }
    if (entry.state !== 'reversible') return result
    await forward?.stop()
    return { ...result, reverse: await startReverse(move, entry) }
  } finally {
    await forward?.stop()
    await move.ledger.unlock(move.service).catch(() => undefined)
  }
}

async function restartIfOver(move: Move, entry: ServiceEntry): Promise<ServiceEntry> {
  if (entry.state !== 'cancelled' && entry.state !== 'reverted') return entry
  await move.schema.drop()
  await move.schema.prepare()
  return move.ledger.restart(entry)
}

function isBefore(state: State, goal: State): boolean {
  return states.indexOf(state) < states.indexOf(goal)
}

function checkGoal({ service, state }: ServiceEntry, goal: State): void {
  if (state === 'retired' || state === 'reverting') {
    throw new WrongStateError(service, state, `become ${goal}`, 'see where it is with: imhotep split status')
  }
}
