import type { ServiceEntry } from '../ledger/ledger.ts'
import type { Key, MovedTable } from '../model.ts'
import type { CopyFormat, ServiceDatabase, Snapshot } from '../side.ts'
import { ChunkRows, readSizes, type TableSize } from './chunk-rows.ts'
import { allTables, type Move } from './move.ts'
import { createProgress } from './progress.ts'
import { isUntouched, readLoaded, resumeCopy, type Loaded } from './resume-copy.ts'
import { createThrottle } from './throttle.ts'

/**
 * Copies the rows that are not there yet, chunk by chunk. A chunk is loaded in one transaction with the note of its end, so
 * a copy that was killed goes on where it was, under a new snapshot. The log must be read from the first one on.
 */
export async function copyTables(move: Move, entry: ServiceEntry): Promise<ServiceEntry> {
  const tables = allTables(move)
  const looking = readSizes(move.source, tables)
  looking.catch(() => undefined) // told below, unless there is no snapshot
  const before = await readLoaded(move)
  const isFirst = await isUntouched(move, before)
  const snapshot = isFirst ? await move.source.snapshot(tables, { exact: true }) : await resumeCopy(move, entry, before)
  const loads = new Loads()
  try {
    const copying = isFirst ? await move.ledger.note(entry, { forwardFrom: snapshot.position }) : entry
    const loaded = isFirst ? before : await readLoaded(move)
    const sizes = await looking
    const total = sizes.reduce((sum, { rows }) => sum + rows, 0)
    const progress = createProgress(total, (text) => move.say(`copying ${move.service}: ${text}`))
    for (const size of sizes) {
      const { rows, last, complete } = loaded.get(size.table) as Loaded
      progress.add(rows)
      if (!complete) await copyTable(move, snapshot, size, last, loads, progress.add)
    }
    await loads.end()
    return copying
  } finally {
    await loads.settle()
    await snapshot.close()
  }
}

/** Reads a table from behind a key to its end; its last loads may still be under way then. */
async function copyTable(
  move: Move,
  snapshot: Snapshot,
  size: TableSize,
  last: Key | null,
  loads: Loads,
  onRows: (rows: number) => void,
): Promise<void> {
  const { target, options, signal } = move
  const { table } = size
  const chunkRows = new ChunkRows(options.chunkRows, size)
  const throttle = createThrottle(options.throttle)
  const format = await commonFormat(snapshot, target, table)
  const read = (after: Key | null) => throttle(() => snapshot.chunk(table, after, chunkRows.next, format))
  let next = read(last)
  for (;;) {
    signal.throwIfAborted()
    const chunk = await next
    chunkRows.sawChunk(chunk.rows, chunk.data.length)
    // One server reads the next chunk while the other loads.
    if (chunk.last !== null) next = read(chunk.last)
    next.catch(() => undefined)
    await loads.begin(() => target.load(table, chunk, { besideLog: last !== null }).then(() => onRows(chunk.rows)))
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
