import { tableId, type MovedTable } from '../model.ts'
import type { CopyFormat, ServiceDatabase, Snapshot } from '../side.ts'
import { allTables, type Move } from './move.ts'
import { createProgress } from './progress.ts'
import { createThrottle } from './throttle.ts'

/**
 * Copies the rows that are not there yet, chunk by chunk. A chunk is loaded in one transaction with the note of its end, so
 * a copy that was killed goes on where it was, under a new snapshot: the log, read from before the first one, makes it whole.
 */
export async function copyTables(move: Move): Promise<{ readonly rows: number }> {
  const estimated = estimatedRows(move)
  estimated.catch(() => undefined) // told below, unless there is no snapshot
  const snapshot = await move.source.snapshot(allTables(move), { exact: false })
  try {
    const total = await estimated
    const progress = createProgress(total, (text) => move.say(`copying ${move.service}: ${text}`))
    for (const table of allTables(move)) await copyTable(move, snapshot, table, progress.add)
    return { rows: progress.done }
  } finally {
    await snapshot.close()
  }
}

async function copyTable(
  move: Move,
  snapshot: Snapshot,
  table: MovedTable,
  onRows: (rows: number) => void,
): Promise<void> {
  const { target, options, signal } = move
  const { complete, last, rows } = await target.loaded(table)
  onRows(rows)
  if (complete) return
  const throttle = createThrottle(options.throttle)
  const format = await commonFormat(snapshot, target, table)
  const read = (after: typeof last) => throttle(() => snapshot.chunk(table, after, options.chunkRows, format))
  let next = read(last)
  let loading = Promise.resolve()
  try {
    for (;;) {
      signal.throwIfAborted()
      const chunk = await next
      // One server reads the next chunk while the other loads this one and the one before.
      if (chunk.last !== null) next = read(chunk.last)
      next.catch(() => undefined)
      const earlier = loading
      loading = target.load(table, chunk).then(() => onRows(chunk.rows))
      loading.catch(() => undefined)
      await earlier
      if (chunk.last === null) return await loading
    }
  } finally {
    await loading.catch(() => undefined)
  }
}

/** Neither server has to write and read text where both know the same binary form. */
async function commonFormat(snapshot: Snapshot, target: ServiceDatabase, table: MovedTable): Promise<CopyFormat> {
  const types = snapshot.binaryTypes(table)
  return types !== null && types.join() === (await target.binaryTypes(table))?.join() ? 'binary' : 'text'
}

async function estimatedRows(move: Move): Promise<number> {
  const names = new Set(allTables(move).map(({ source }) => tableId(source)))
  const { tables: all } = await move.source.catalog()
  return all.reduce((sum, table) => sum + (names.has(tableId(table)) ? table.rows : 0), 0)
}
