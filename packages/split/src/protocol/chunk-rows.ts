import { tableId, type MovedTable } from '../model.ts'
import type { Side } from '../side.ts'

/** What a chunk may take of our memory; a few of them are under way at once. */
const chunkBytes = 16 * 1024 * 1024
/** Statistics may be old, and tell nothing of how far a server packs values. */
const firstRows = { known: 1000, unknown: 10 }
const growth = 20

/** A table and what the statistics of its server say of it. */
export interface TableSize {
  readonly table: MovedTable
  readonly rows: number
  readonly bytes: number
}

export async function readSizes(side: Side, tables: readonly MovedTable[]): Promise<TableSize[]> {
  const { tables: all } = await side.catalog()
  const found = new Map(all.map((table) => [tableId(table), table]))
  return tables.map((table) => {
    const { rows = 0, bytes = 0 } = found.get(tableId(table.source)) ?? {}
    return { table, rows, bytes }
  })
}

/** How many rows to read next: fewer where they are large, by the size of the rows read last and that of all rows. */
export class ChunkRows {
  readonly #most: number
  readonly #usualBytes: number
  #next: number

  constructor(most: number, { rows, bytes }: TableSize) {
    this.#most = most
    this.#usualBytes = rows > 0 ? bytes / rows : 0
    this.#next = this.#fitting(this.#usualBytes, rows > 0 ? firstRows.known : firstRows.unknown)
  }

  get next(): number {
    return this.#next
  }

  sawChunk(rows: number, bytes: number): void {
    if (rows > 0) this.#next = this.#fitting(Math.max(bytes / rows, this.#usualBytes), this.#next * growth)
  }

  #fitting(bytesOfRow: number, most: number): number {
    return Math.max(1, Math.min(this.#most, most, Math.floor(chunkBytes / Math.max(1, bytesOfRow))))
  }
}
