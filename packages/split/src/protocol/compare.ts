import { tableId, type Key, type MovedTable } from '../model.ts'
import type { RangeDigest, RowDigest, Snapshot } from '../side.ts'

/** A row that is not the same on both sides, named by its key. */
export interface Mismatch {
  readonly table: string
  readonly key: Key
  readonly kind: 'missing' | 'extra' | 'different'
  /** Columns that differ. */
  readonly columns: readonly string[]
}

export interface Comparison {
  readonly table: string
  readonly rows: number
  readonly mismatches: readonly Mismatch[]
  /** More rows differ than are named. */
  readonly truncated: boolean
}

/** Named per table at most; the rest is counted by `truncated`. */
const maxNamed = 100
/** Of the receiving side, which takes longer for a range than the one that says where it ends. */
const rangesAtOnce = 2

/**
 * Compares every column of every row of a table in two snapshots, range by range with digests that the servers compute;
 * ranges that differ are looked at row by row.
 */
export async function compareTable(
  source: Snapshot,
  target: Snapshot,
  table: MovedTable,
  options: { readonly rangeRows: number; readonly onRows?: (rows: number) => void; readonly signal: AbortSignal },
): Promise<Comparison> {
  const mismatches: Mismatch[] = []
  const compared: Promise<readonly Mismatch[]>[] = []
  let rows = 0
  let after: Key | null = null
  let next = source.digestNext(table, after, options.rangeRows)
  try {
    while (mismatches.length <= maxNamed) {
      options.signal.throwIfAborted()
      const expected: RangeDigest = await next
      // The servers work at the same time: the source on the next range, the target on those before.
      if (expected.last !== null) next = toldLater(source.digestNext(table, expected.last, options.rangeRows))
      compared.push(toldLater(compareRange(source, target, table, after, expected)))
      if (expected.last === null) break
      if (compared.length >= rangesAtOnce) mismatches.push(...((await compared.shift()) ?? []))
      rows += expected.rows
      options.onRows?.(expected.rows)
      after = expected.last
    }
    for (const range of compared) mismatches.push(...(await range))
  } finally {
    await Promise.allSettled([next, ...compared])
  }
  const truncated = mismatches.length > maxNamed
  return { table: tableId(table.source), rows, mismatches: mismatches.slice(0, maxNamed), truncated }
}

/** A failure is met where it is awaited, which may be after something else. */
function toldLater<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined)
  return promise
}

async function compareRange(
  source: Snapshot,
  target: Snapshot,
  table: MovedTable,
  after: Key | null,
  expected: RangeDigest,
): Promise<readonly Mismatch[]> {
  const found = await target.digestRange(table, after, expected.last)
  const isEqual = found.rows === expected.rows && found.digest === expected.digest
  return isEqual ? [] : differences(source, target, table, after, expected.last)
}

async function differences(
  source: Snapshot,
  target: Snapshot,
  table: MovedTable,
  after: Key | null,
  upto: Key | null,
): Promise<Mismatch[]> {
  const name = tableId(table.source)
  const [expected, found] = await Promise.all([
    source.rowDigests(table, after, upto),
    target.rowDigests(table, after, upto),
  ])
  const rest = new Map(found.map((row) => [keyText(row), row]))
  const mismatches: Mismatch[] = []
  for (const row of expected) {
    const other = rest.get(keyText(row))
    rest.delete(keyText(row))
    const columns = table.columns.filter((_, index) => row.columns[index] !== other?.columns[index])
    if (other === undefined) mismatches.push({ table: name, key: row.key, kind: 'missing', columns: [] })
    else if (columns.length > 0) {
      mismatches.push({ table: name, key: row.key, kind: 'different', columns: columns.map((column) => column.name) })
    }
  }
  for (const row of rest.values()) mismatches.push({ table: name, key: row.key, kind: 'extra', columns: [] })
  return mismatches
}

function keyText({ key }: RowDigest): string {
  return JSON.stringify(key)
}
