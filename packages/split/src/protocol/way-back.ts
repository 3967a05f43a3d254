import type { ServiceEntry } from '../ledger/ledger.ts'
import { isAtRest, serves } from '../ledger/states.ts'
import { WrongStateError } from '../ledger/errors.ts'
import type { TableName } from '../model.ts'
import type { Applier } from './applier.ts'
import { catchUp, drain } from './appliers.ts'
import { PartitionsError } from './errors.ts'
import { forwardLog, reverseLog, writableTables, type Move } from './move.ts'
import { readParts, unprepare } from './switch.ts'
import { mismatchText, verifySides } from './verify.ts'

/** Ends a move that did not switch: the shared database serves on as if nothing had been. */
export async function cancel(move: Move, entry: ServiceEntry): Promise<ServiceEntry> {
  if (serves(entry.state) === 'own') {
    throw new WrongStateError(move.service, entry.state, 'cancel', 'take it back with: imhotep split revert')
  }
  const cancelled = entry.state === 'cancelled' ? entry : await move.ledger.advance(entry, 'cancelled')
  await move.source.unfence(move.service, move.tables)
  await move.source.closeLog(forwardLog(move.service))
  await move.target.closeLog(reverseLog(move.service))
  await restoreKeys(move, 'cancelled')
  await move.schema.drop()
  return cancelled
}

/** The switch backwards: rows that were written in the service's database are in the shared one when it serves again. */
export async function revert(move: Move, entry: ServiceEntry, applier: Applier): Promise<ServiceEntry> {
  await move.source.prepareSequences(move.tables)
  await catchUp(move, applier, move.target)
  const parts = await readParts(move)
  const changed = changedParts(parts, entry.detail.reverseParts)
  if (changed.length > 0) await checkParts(move, applier, changed)
  const started = performance.now()
  let reverting = await move.ledger.advance(entry, 'reverting')
  try {
    const patience = { seconds: move.options.maxGapSeconds, signal: move.signal }
    const last = await move.target.fence(move.service, writableTables(move), patience)
    await drain(move, applier, last, started)
    const late = changedParts(await readParts(move), parts)
    if (late.length > 0) throw new PartitionsError(move.service, late)
    await move.returnCommon(move.options.maxGapSeconds)
    await move.source.advanceSequences(move.tables, move.options.sequenceGap)
    reverting = await move.ledger.advance(reverting, 'reverted')
  } catch (error) {
    await unrevert(move, reverting)
    throw error
  }
  return completeRevert(move, reverting)
}

/** No log tells which rows partitions took along that came or went: all are compared while clients write on. */
async function checkParts(move: Move, applier: Applier, changed: readonly string[]): Promise<void> {
  move.say(`${move.service}: partitions of ${changed.join(', ')} came or went since the switch: comparing all rows`)
  const { chunkRows: rangeRows } = move.options
  const options = { rangeRows, signal: move.signal }
  const verification = await verifySides(move.target, move.source, move.tables, applier, options)
  if (!verification.equal) throw new PartitionsError(move.service, changed, mismatchText(verification))
}

function changedParts(now: Readonly<Record<string, string>>, before: Readonly<Record<string, string>> = {}): string[] {
  return Object.keys(now).filter((name) => now[name] !== (before[name] ?? ''))
}

/** Opens the service's database again after a revert that failed before its point of no return. */
export async function unrevert(move: Move, entry: ServiceEntry): Promise<ServiceEntry> {
  const now = await move.ledger.read(entry.service)
  if (now.state !== 'reverting') return now
  const back = await move.ledger.advance(now, 'reversible')
  await move.target.unfence(move.service, writableTables(move))
  return back
}

/** The rest of a revert; each part may have been done before. */
export async function completeRevert(move: Move, reverted: ServiceEntry): Promise<ServiceEntry> {
  await move.source.unfence(move.service, move.tables)
  await move.routes.set(move.service, 'shared')
  await move.target.closeLog(reverseLog(move.service))
  await unprepare(move, move.source)
  await restoreKeys(move, 'reverted')
  return reverted
}

async function restoreKeys(move: Move, state: 'cancelled' | 'reverted'): Promise<void> {
  await move.looseKeys.settle(state)
  await restoreFreeKeys(move)
}

/** Puts foreign keys back that some service's move dropped and whose two ends no move concerns any more. */
export async function restoreFreeKeys({
  ledger,
  source,
  ownerOf,
}: Pick<Move, 'ledger' | 'source' | 'ownerOf'>): Promise<void> {
  const entries = await ledger.all()
  const isFree = (table: TableName) => isAtRest(entries.find(({ service }) => service === ownerOf(table))?.state)
  const dropped = entries.flatMap(({ detail }) => detail.droppedKeys ?? [])
  await source.restoreForeignKeys(dropped.filter(({ table, references }) => isFree(table) && isFree(references)))
}

/** Gives up the way back: the old tables, still fenced, are renamed to zz_moved_*, to be dropped when nobody missed them. */
export async function retire(move: Move, entry: ServiceEntry): Promise<ServiceEntry> {
  if (entry.state !== 'reversible' && entry.state !== 'retired') {
    throw new WrongStateError(move.service, entry.state, 'retire', 'switch it first: imhotep split switch')
  }
  const retired = entry.state === 'retired' ? entry : await move.ledger.advance(entry, 'retired')
  await move.target.closeLog(reverseLog(move.service))
  await unprepare(move, move.target)
  await move.source.setAside(move.tables)
  return retired
}
