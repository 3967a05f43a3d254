import { setTimeout as pause } from 'node:timers/promises'
import { WrongStateError } from '../ledger/errors.ts'
import type { ServiceEntry } from '../ledger/ledger.ts'
import type { Position } from '../model.ts'
import type { Side } from '../side.ts'
import { Applier, type Receiver } from './applier.ts'
import { DrainError, LagError } from './errors.ts'
import { allTables, forwardLog, reverseLog, type Move } from './move.ts'

/** A side that is caught up within this time is close enough to stop clients for. */
const closeEnoughMs = 1_000

/** Starts the applier of the way there: from the shared database to the service's. */
export function startForward(
  move: Move,
  { service, state, detail }: ServiceEntry,
  to: Receiver = move.target,
): Promise<Applier> {
  if (detail.forwardFrom === undefined) {
    throw new WrongStateError(service, state, 'follow the shared database', 'copy it first: imhotep split copy')
  }
  return Applier.start({
    log: forwardLog(service),
    from: move.source,
    to,
    tables: allTables(move),
    start: detail.forwardFrom,
  })
}

/** Starts the applier of the way back. */
export function startReverse(move: Move, { service, state, detail }: ServiceEntry): Promise<Applier> {
  if (detail.reverseFrom === undefined) {
    throw new WrongStateError(service, state, 'follow back', 'switch it first: imhotep split switch')
  }
  return Applier.start({
    log: reverseLog(service),
    from: move.target,
    to: move.source,
    tables: move.tables,
    start: detail.reverseFrom,
  })
}

/** Waits until what is written now is applied within a second. `from` is the side that the applier reads. */
export async function catchUp(move: Move, applier: Applier, from: Side): Promise<void> {
  const { maxWaitSeconds } = move.options
  const deadline = Date.now() + maxWaitSeconds * 1000
  for (;;) {
    move.signal.throwIfAborted()
    const asked = Date.now()
    const position = await from.position()
    if (!(await isWithin(applier.waitFor(position), deadline - asked, move.signal)))
      throw new LagError(move.service, maxWaitSeconds)
    if (Date.now() - asked < closeEnoughMs) return
  }
}

/** Waits until everything up to where clients were stopped is applied. They have stood still since `fencing`. */
export async function drain(move: Move, applier: Applier, last: Position, fencing: number): Promise<void> {
  const { maxGapSeconds } = move.options
  const left = fencing + maxGapSeconds * 1000 - performance.now()
  if (!(await isWithin(applier.waitFor(last), left, move.signal))) throw new DrainError(move.service, maxGapSeconds)
}

async function isWithin(promise: Promise<void>, ms: number, signal: AbortSignal): Promise<boolean> {
  const stop = new AbortController()
  const timer = pause(Math.max(0, ms), false, { signal: AbortSignal.any([stop.signal, signal]) }).catch(() => {
    signal.throwIfAborted()
    return false
  })
  try {
    return await Promise.race([promise.then(() => true), timer])
  } finally {
    stop.abort()
  }
}
