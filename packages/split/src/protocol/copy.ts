import type { MovedTable, Position } from '../model.ts'
import type { CopyFormat, ServiceDatabase, Snapshot } from '../side.ts'
import { ChunkRows, readSizes, type TableSize } from './chunk-rows.ts'
import { allTables, type Move } from './move.ts'
import { createProgress } from './progress.ts'
import { createThrottle } from './throttle.ts'

/**
 * Copies the rows that are not there yet, chunk by chunk. A chunk is loaded in one transaction with the note of its end, so
 * a copy that was killed goes on where it was, under a new snapshot: the log, read from the first one, makes it whole.
 * @param begin told before the first row of all where the log must be read from. A log that is read over rows which know it
 *   already could take a row away with a key that another row has by now, and with it what no log tells of a second time:
 *   values left out as unchanged, and rows that only cascades have written.
 */
export async function copyTables(
  move: Move,
  begin: (from: Position) => Promise<void> = async () => {},
): Promise<{ readonly rows: number }> {
  const looking = readSizes(move.source, allTables(move))
  looking.catch(() => undefined) // told below, unless there is no snapshot
  const isFirst = !(await hasBegun(move))
  const snapshot = await move.source.snapshot(allTables(move), { exact: isFirst })
  const loads = new Loads()
  try {
    if (isFirst) await begin(snapshot.position)
    const sizes = await looking
    const total = sizes.reduce((sum, { rows }) => sum + rows, 0)
    const progress = createProgress(total, (text) => move.say(`copying ${move.service}: ${text}`))
    for (const size of sizes) await copyTable(move, snapshot, size, loads, progress.add)
    await loads.end()
    return { rows: progress.done }
  } finally {
    await loads.settle()
    await snapshot.close()
  }
}

async function hasBegun(move: Move): Promise<boolean> {
  for (const table of allTables(move)) {
    const { last, complete } = await move.target.loaded(table)
    if (last !== null || complete) return true
  }
  return false
}

/** Reads a table to its end; its last loads may still be under way then. */
async function copyTable(
  move: Move,
  snapshot: Snapshot,
  size: TableSize,
  loads: Loads,
  onRows: (rows: number) => void,
): Promise<void> {
  const { target, options, signal } = move
  const { table } = size
  const { complete, last, rows } = await target.loaded(table)
  onRows(rows)
  if (complete) return
  const chunkRows = new ChunkRows(options.chunkRows, size)
  const throttle = createThrottle(options.throttle)
  const format = await commonFormat(snapshot, target, table)
  const read = (after: typeof last) => throttle(() => snapshot.chunk(table, after, chunkRows.next, format))
  let next = read(last)
  for (;;) {
    signal.throwIfAborted()
    const chunk = await next
    chunkRows.sawChunk(chunk.rows, chunk.data.length)
    // One server reads the next chunk while the other loads.
    if (chunk.last !== null) next = read(chunk.last)
    next.catch(() => undefined)
    await loads.begin(() => target.load(table, chunk).then(() => onRows(chunk.rows)))
    if (chunk.last === null) return
  }
}

/** Three loads at once, also of two tables: the key of one is built while the first rows of the next are written. */
class Loads {
  /** Those that failed stay, for `begin` and `end` to tell. */
  readonly #underWay = new Set<Promise<void>>()

  /** Waits for its turn, not for the end of the load. */
  async begin(load: () => Promise<void>): Promise<void> {
    while (this.#underWay.size >= 3) await Promise.race(this.#underWay)
    const begun: Promise<void> = load().then(() => void this.#underWay.delete(begun))
    begun.catch(() => undefined)
    this.#underWay.add(begun)
  }

  async end(): Promise<void> {
    await Promise.all(this.#underWay)
  }

  /** Nothing is under way afterwards, whatever became of it. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#underWay)
  }
}

/** Neither server has to write and read text where both know the same binary form. */
async function commonFormat(snapshot: Snapshot, target: ServiceDatabase, table: MovedTable): Promise<CopyFormat> {
  const types = snapshot.binaryTypes(table)
  return types !== null && types.join() === (await target.binaryTypes(table))?.join() ? 'binary' : 'text'
}
