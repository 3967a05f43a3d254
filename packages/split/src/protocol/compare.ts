import { tableId, type Key, type MovedTable } from '../model.ts'
import type { RowDigest, Snapshot } from '../side.ts'

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
  const name = tableId(table.source)
  const mismatches: Mismatch[] = []
  let rows = 0
  let after: Key | null = null
  let next = source.digestNext(table, after, options.rangeRows)
  for (;;) {
    options.signal.throwIfAborted()
    const expected: Awaited<typeof next> = await next
    const upto: Key | null = expected.last
    // The servers work at the same time: the source on the next range, the target on this one.
    if (upto !== null) next = source.digestNext(table, upto, options.rangeRows)
    next.catch(() => undefined)
    const found = await target.digestRange(table, after, upto)
    if (found.rows !== expected.rows || found.digest !== expected.digest) {
      mismatches.push(...(await differences(source, target, table, after, upto)))
    }
    if (upto === null || mismatches.length > maxNamed) break
    rows += expected.rows
    options.onRows?.(expected.rows)
    after = upto
  }
  return { table: name, rows, mismatches: mismatches.slice(0, maxNamed), truncated: mismatches.length > maxNamed }
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
