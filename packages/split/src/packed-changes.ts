import { deserialize, serialize } from 'node:v8'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { charactersOf } from './in-parts.ts'
import type { Change, Changes, LogTransaction, MovedTable } from './model.ts'

/** Changes that are in memory as they are, and that are applied together: so many, of about so many characters. */
const openAtMost = { changes: 20_000, characters: 32 * 1024 * 1024 }

/** A change without its table, which stands in a list. */
type Packed = readonly [table: number, change: Omit<Change, 'table'>]

/**
 * The changes of one transaction, in their order. Somebody may change millions of rows at once, and nothing of them may be applied
 * before the log tells that they were committed: what has come is packed, outside of the heap. Can be read any number of times.
 */
export class PackedChanges implements Changes {
  readonly #packed: Buffer[] = []
  readonly #tables = new Map<MovedTable, number>()
  #open: Change[] = []
  #characters = 0
  #length = 0

  get length(): number {
    return this.#length
  }

  get tables(): Iterable<MovedTable> {
    return this.#tables.keys()
  }

  push(change: Change): void {
    if (!this.#tables.has(change.table)) this.#tables.set(change.table, this.#tables.size)
    this.#open.push(change)
    this.#length += 1
    this.#characters += lengthOf(change)
    if (this.#open.length >= openAtMost.changes || this.#characters >= openAtMost.characters) this.#pack()
  }

  *[Symbol.iterator](): Generator<Change, void, undefined> {
    const tables = [...this.#tables.keys()]
    for (const part of this.#packed) {
      for (const [table, change] of deserialize(inflateRawSync(part)) as Packed[]) {
        yield { table: tables[table] as MovedTable, ...change }
      }
    }
    yield* this.#open
  }

  #pack(): void {
    const part = this.#open.map(({ table, ...change }): Packed => [this.#tables.get(table) as number, change])
    this.#packed.push(deflateRawSync(serialize(part), { level: 1 }))
    this.#open = []
    this.#characters = 0
  }
}

/** The changes of transactions one behind the other, in parts that may be in memory at once. */
export function* inBatches(transactions: readonly LogTransaction[]): Generator<Change[], void, undefined> {
  let part: Change[] = []
  let characters = 0
  for (const { changes } of transactions) {
    for (const change of changes) {
      part.push(change)
      characters += lengthOf(change)
      if (part.length < openAtMost.changes && characters < openAtMost.characters) continue
      yield part
      part = []
      characters = 0
    }
  }
  if (part.length > 0) yield part
}

export function tablesOf(transactions: readonly LogTransaction[]): Set<MovedTable> {
  const tables = new Set<MovedTable>()
  for (const { changes } of transactions) {
    if (changes instanceof PackedChanges) for (const table of changes.tables) tables.add(table)
    else for (const { table } of changes) tables.add(table)
  }
  return tables
}

function lengthOf({ row = [], before = [] }: Change): number {
  return charactersOf(row) + charactersOf(before)
}
