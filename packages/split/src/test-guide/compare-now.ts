import type { ServiceEntry } from '../ledger/ledger.ts'
import { catchUp, startForward, startReverse } from '../protocol/appliers.ts'
import { allTables } from '../protocol/move.ts'
import { verifySides, type Verification } from '../protocol/verify.ts'
import type { Split } from '../split.ts'

/** Compares every value of the side that clients use with the side that follows, and leaves the move in its state. */
export async function compareNow(split: Split, entry: ServiceEntry, signal: AbortSignal): Promise<Verification | null> {
  const isReverse = entry.state === 'reversible'
  if (!isReverse && entry.state !== 'streaming' && entry.state !== 'verified') return null
  await split.ledger.lock(entry.service)
  try {
    const move = await split.moveOf(entry.service)
    const [from, to] = isReverse ? [move.target, move.source] : [move.source, move.target]
    const applier = await (isReverse ? startReverse(move, entry) : startForward(move, entry))
    try {
      await catchUp(move, applier, from)
      const tables = isReverse ? move.tables : allTables(move)
      return await verifySides(from, to, tables, applier, { rangeRows: move.options.chunkRows, signal })
    } finally {
      await applier.stop()
    }
  } finally {
    await split.ledger.unlock(entry.service)
  }
}
