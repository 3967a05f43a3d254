import { setTimeout as pause } from 'node:timers/promises'
import type { ServiceEntry } from '../ledger/ledger.ts'
import { WrongStateError } from '../ledger/errors.ts'
import { Applier } from './applier.ts'
import { copyTables } from './copy.ts'
import { LagError, NotEqualError, NotReadyError, OrphansError, SchemaChangedError } from './errors.ts'
import { tableFingerprints } from './fingerprint.ts'
import { forwardLog, reverseLog, type Move } from './move.ts'
import { createProgress } from './progress.ts'
import { mismatchText, verifySides, type Verification } from './verify.ts'

/** An older verification proves nothing about today. */
const verificationHours = 24
/** The receiving side must be this close behind before clients are stopped. */
const switchLagMs = 1_000

/** Drops the foreign keys that cross the border; what they promised is kept by loose foreign keys from now on. */
export async function clear(move: Move, entry: ServiceEntry): Promise<ServiceEntry> {
  const obstacles = await move.source.obstacles(move.tables)
  if (obstacles.length > 0) throw new NotReadyError(move.service, obstacles)
  // Noted first: a crash in between leaves keys that are dropped but remembered.
  const noted = await move.ledger.note(entry, { droppedKeys: move.crossingKeys })
  await move.source.dropForeignKeys(move.crossingKeys)
  return move.ledger.advance(noted, 'cleared')
}

/** Makes the tables, closed for everybody but us, and has the source keep its changes from now on. */
export async function provision(move: Move, entry: ServiceEntry): Promise<ServiceEntry> {
  await move.schema.createTables()
  await move.target.fence(move.service, move.tables)
  const forwardFrom = entry.detail.forwardFrom ?? (await move.source.openLog(forwardLog(move.service), move.tables))
  const fingerprints = await tableFingerprints(move.source, move.tables)
  return move.ledger.advance(entry, 'provisioned', { forwardFrom, fingerprints })
}

export async function copy(move: Move, entry: ServiceEntry): Promise<ServiceEntry> {
  const copying = entry.state === 'copying' ? entry : await move.ledger.advance(entry, 'copying')
  await copyTables(move)
  const applier = await startForward(move, copying)
  try {
    move.say(`${move.service}: catching up`)
    await catchUp(move, applier)
  } finally {
    await applier.stop()
  }
  // What must be unique may be not, until the log has been applied up to the end of the copy.
  move.say(`${move.service}: building indexes and keys`)
  await move.schema.createKeys()
  await move.target.fence(move.service, move.tables)
  return move.ledger.advance(copying, 'streaming')
}

/** Starts the applier of the way there. */
export function startForward(move: Move, { service, state, detail }: ServiceEntry): Promise<Applier> {
  if (detail.forwardFrom === undefined) {
    throw new WrongStateError(service, state, 'stream', 'copy it first: imhotep split copy')
  }
  return Applier.start({
    log: forwardLog(service),
    from: move.source,
    to: move.target,
    tables: move.tables,
    start: detail.forwardFrom,
  })
}

/** Starts the applier of the way back. */
export function startReverse(move: Move, { service, state, detail }: ServiceEntry): Promise<Applier> {
  if (detail.reverseFrom === undefined) {
    throw new WrongStateError(service, state, 'stream back', 'switch it first: imhotep split switch')
  }
  return Applier.start({
    log: reverseLog(service),
    from: move.target,
    to: move.source,
    tables: move.tables,
    start: detail.reverseFrom,
  })
}

/** Waits until everything is applied that was written up to now, and the last of it is less than a second old. */
export async function catchUp(move: Move, applier: Applier): Promise<void> {
  const deadline = Date.now() + move.options.maxWaitSeconds * 1000
  for (;;) {
    move.signal.throwIfAborted()
    const before = Date.now()
    const mark = await (applier.isForward(move.source) ? move.source : move.target).mark()
    const late = pause(deadline - before, 'late' as const, { ref: false })
    if ((await Promise.race([applier.waitFor(mark), late])) === 'late') {
      throw new LagError(move.service, move.options.maxWaitSeconds)
    }
    if (Date.now() - before < switchLagMs) return
  }
}
