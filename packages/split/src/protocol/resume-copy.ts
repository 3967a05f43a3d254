import type { ServiceEntry } from '../ledger/ledger.ts'
import { tablesOf } from '../packed-changes.ts'
import type { Change, LogTransaction, MovedTable } from '../model.ts'
import type { Snapshot } from '../side.ts'
import type { Receiver } from './applier.ts'
import { catchUp, startForward } from './appliers.ts'
import { keyOfRow } from '../key-of-row.ts'
import { allTables, forwardLog, type Move } from './move.ts'

/** Whether nothing of the service was copied or followed yet. */
export async function isUntouched(move: Move): Promise<boolean> {
  if ((await move.target.applied(forwardLog(move.service))) !== null) return false
  for (const table of allTables(move)) if ((await stageOf(move, table)) !== 'missing') return false
  return true
}

/**
 * The snapshot under which a copy goes on. The log brings what is there to exactly its moment first: read over rows that know
 * it already, it could take a row away with a key that another row has by now, and with it what no log tells of a second
 * time: values left out as unchanged, and rows that only cascades have written.
 */
export async function resumeCopy(move: Move, entry: ServiceEntry): Promise<Snapshot> {
  const tables = allTables(move)
  const begun = new Set<MovedTable>()
  for (const table of tables) if ((await stageOf(move, table)) === 'begun') begun.add(table)
  await move.target.makeKeys([...begun])
  move.say(`${move.service}: catching up with what was written since the copy stopped`)
  const applier = await startForward(move, entry, beginningAnew(move, begun))
  try {
    await catchUp(move, applier, move.source)
    await applier.hold()
    const snapshot = await move.source.snapshot(tables, { exact: true })
    try {
      await applier.advanceTo(snapshot.position)
      // what the log told of them comes with their other rows
      for (const table of tables) if ((await stageOf(move, table)) === 'missing') await move.target.clear(table)
      return snapshot
    } catch (error) {
      await snapshot.close()
      throw error
    }
  } finally {
    await applier.stop()
  }
}

async function stageOf({ target }: Move, table: MovedTable): Promise<'missing' | 'begun' | 'complete'> {
  const { last, complete } = await target.loaded(table)
  if (complete) return 'complete'
  return last === null ? 'missing' : 'begun'
}

/**
 * A row whose values are not all in the log may come from where nothing is copied to where nothing is copied any more. No
 * other than a new copy of its table would have it.
 */
function beginningAnew({ target }: Move, begun: Set<MovedTable>): Receiver {
  return {
    applied: (log) => target.applied(log),
    async apply(log, transactions, signal) {
      for (const table of tablesOf(transactions)) {
        if (!begun.has(table) || !hasUntoldMove(transactions, table)) continue
        await target.clear(table)
        begun.delete(table)
      }
      await target.apply(log, transactions, signal)
    },
  }
}

function hasUntoldMove(transactions: readonly LogTransaction[], table: MovedTable): boolean {
  const isUntold = ({ kind, key, row }: Change) =>
    kind === 'update' && row?.includes(undefined) && keyOfRow(table, row).some((value, at) => value !== key?.[at])
  return transactions.some(({ changes }) => [...changes].some((change) => change.table === table && isUntold(change)))
}
