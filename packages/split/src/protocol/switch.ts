import { WrongStateError } from '../ledger/errors.ts'
import type { ServiceEntry } from '../ledger/ledger.ts'
import type { Applier } from './applier.ts'
import { catchUp, drain } from './appliers.ts'
import { StaleVerificationError } from './errors.ts'
import { forwardLog, reverseLog, writableTables, type Move } from './move.ts'
import type { Side } from '../side.ts'
import { checkFiles, checkFingerprints, readStorage } from './way-there.ts'

/** An older verification proves little about today. */
const freshHours = 24

/** The last look before clients are stopped: verified lately, nothing altered, close behind, the way back ready. */
export async function arm(move: Move, entry: ServiceEntry, applier: Applier): Promise<ServiceEntry> {
  const { verified } = entry.detail
  if (verified === undefined || Date.now() - Date.parse(verified.at) > freshHours * 3_600_000) {
    throw new StaleVerificationError(move.service, freshHours)
  }
  const storage = await readStorage(move)
  await checkFingerprints(move, entry, storage)
  checkFiles(move, entry, storage)
  // Both lock one table after the other, as the applier does: they would wait for each other.
  await applier.hold()
  try {
    await move.schema.grant()
    await move.looseKeys.watchOwn()
  } finally {
    applier.release()
  }
  // The log of the way back is open before anybody can write; what we apply ourselves is left out of it.
  // An earlier move, perhaps to another server, may have left how far its log was applied here.
  await move.source.closeLog(reverseLog(move.service))
  const reverseFrom = await move.target.openLog(reverseLog(move.service), move.tables)
  await move.target.prepareSequences(move.tables)
  const reverseParts = await readParts(move)
  await catchUp(move, applier, move.source)
  return move.ledger.advance(entry, 'armed', { reverseFrom, reverseParts })
}

/** The partitions of the service's tables. */
export async function readParts({ target, tables }: Move): Promise<Record<string, string>> {
  const storage = Object.entries(await target.storage(tables))
  return Object.fromEntries(storage.map(([name, { parts }]) => [name, parts]))
}

/**
 * Stops clients of the shared tables, lets the last changes arrive, and makes the service's database the one that serves.
 * Clients get IMH01 between the fence and the route, and read their route again.
 */
export async function switchOver(move: Move, armed: ServiceEntry, applier: Applier): Promise<ServiceEntry> {
  if (armed.state !== 'armed') {
    throw new WrongStateError(move.service, armed.state, 'switch', 'verify it first: imhotep split verify')
  }
  const started = performance.now()
  let entry = await move.ledger.advance(armed, 'fenced')
  let isDecided = false
  let stoppedAt = started
  const onAttempt = () => {
    stoppedAt = performance.now()
  }
  try {
    const patience = { seconds: move.options.maxGapSeconds, signal: move.signal, onAttempt }
    const last = await move.source.fence(move.service, move.tables, patience)
    await drain(move, applier, last, started)
    checkFiles(move, entry, await readStorage(move))
    await move.target.advanceSequences(move.tables, move.options.sequenceGap)
    entry = await move.ledger.advance(entry, 'drained')
    // The point of no return: whatever fails from here on is completed forward.
    isDecided = true
    entry = await move.ledger.advance(entry, 'committed')
  } catch (error) {
    // Clients are let in again also when the server that holds the ledger is gone.
    if (!isDecided) await orSay(move, move.source.unfence(move.service, move.tables))
    await orSay(move, unswitch(move, entry))
    throw error
  }
  return completeSwitch(move, entry, stoppedAt)
}

/** What could not be taken back is taken back by the next command. */
async function orSay({ service, say }: Move, work: Promise<unknown>): Promise<void> {
  await work.catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error)
    say(`${service}: clients may still be shut out (${reason}): run the same again`)
  })
}

/** Gives the tables back to clients of the shared database after a switch that failed before its point of no return. */
export async function unswitch(move: Move, entry: ServiceEntry): Promise<ServiceEntry> {
  const now = await move.ledger.read(entry.service)
  if (now.state === 'committed') return now
  const back = await move.ledger.advance(now, 'streaming')
  await move.source.unfence(move.service, move.tables)
  return back
}

/**
 * The rest of a committed switch; each part may have been done before. `stoppedAt` is when this process stopped the clients;
 * for a process that comes later the gap is not known.
 */
export async function completeSwitch(move: Move, committed: ServiceEntry, stoppedAt?: number): Promise<ServiceEntry> {
  await move.target.unfence(move.service, writableTables(move))
  await move.routes.set(move.service, 'own')
  const gap = stoppedAt === undefined ? {} : { gapMs: Math.round(performance.now() - stoppedAt) }
  await move.source.closeLog(forwardLog(move.service))
  const reversible = await move.ledger.advance(committed, 'reversible', gap)
  await unprepare(move, move.target)
  return reversible
}

/** A report may read a table for an hour: then its index goes with the next command. */
export async function unprepare({ service, tables, say }: Move, side: Side): Promise<void> {
  await side.unprepareSequences(tables).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error)
    say(`${service}: an index that only the switch needed stays until the next command (${reason})`)
  })
}
