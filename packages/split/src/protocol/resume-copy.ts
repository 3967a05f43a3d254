import type { ServiceEntry } from '../ledger/ledger.ts'
import { tablesOf } from '../packed-changes.ts'
import type { Change, LogTransaction, MovedTable } from '../model.ts'
import type { ServiceDatabase, Snapshot } from '../side.ts'
import type { Receiver } from './applier.ts'
import { catchUp, startForward } from './appliers.ts'
import { keyOfRow } from '../key-of-row.ts'
import { allTables, forwardLog, type Move } from './move.ts'

/** How far the copy of each table has come. */
export async function readLoaded(move: Move): Promise<LoadedTables> {
  const loaded = new Map<MovedTable, Loaded>()
  for (const table of allTables(move)) loaded.set(table, await move.target.loaded(table))
  return loaded
}

export type LoadedTables = ReadonlyMap<MovedTable, Loaded>

export type Loaded = Awaited<ReturnType<ServiceDatabase['loaded']>>

/** Whether nothing of the service was copied or followed yet. */
export async function isUntouched({ target, service }: Move, loaded: LoadedTables): Promise<boolean> {
  const isCopied = [...loaded.values()].some(({ last, complete }) => last !== null || complete)
  return !isCopied && (await target.applied(forwardLog(service))) === null
}

/**
 * The snapshot under which a copy goes on. The log brings what is there to exactly its moment first: read over rows that know
 * it already, it could take a row away with a key that another row has by now, and with it what no log tells of a second
 * time: values left out as unchanged, and rows that only cascades have written.
 */
export async function resumeCopy(move: Move, entry: ServiceEntry, loaded: LoadedTables): Promise<Snapshot> {
  const incomplete = [...loaded].filter(([, { complete }]) => !complete)
  const begun = new Set(incomplete.flatMap(([table, { last }]) => (last === null ? [] : table)))
  await move.target.makeKeys([...begun])
  move.say(`${move.service}: catching up with what was written since the copy stopped`)
  const applier = await startForward(move, entry, beginningAnew(move, begun))
  try {
    await catchUp(move, applier, move.source)
    await applier.hold()
    const snapshot = await move.source.snapshot([...loaded.keys()], { exact: true })
    try {
      await applier.advanceTo(snapshot.position)
      // what the log told of them comes with their other rows
      for (const [table] of incomplete) if (!begun.has(table)) await move.target.clear(table)
      return snapshot
    } catch (error) {
      await snapshot.close()
      throw error
    }
  } finally {
    await applier.stop()
  }
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
