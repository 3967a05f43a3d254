import type { MovedTable } from '../model.ts'
import type { Side } from '../side.ts'
import { compareTable, type Comparison } from './compare.ts'
import type { Applier } from './applier.ts'

export interface Verification {
  readonly equal: boolean
  readonly rows: number
  readonly tables: readonly Comparison[]
  /** How long the receiving side stood still for it; clients do not notice. */
  readonly heldMs: number
}

export interface VerifyOptions {
  readonly rangeRows: number
  readonly signal: AbortSignal
  readonly onRows?: (rows: number) => void
}

/**
 * Compares both sides at exactly one position of the log while clients go on writing: the receiving side is held, the
 * writing side gives a snapshot with its position, the applier goes up to there, and both stand for the same moment.
 */
export async function verifySides(
  from: Side,
  to: Side,
  tables: readonly MovedTable[],
  applier: Applier,
  options: VerifyOptions,
): Promise<Verification> {
  await applier.hold()
  const started = performance.now()
  const opened = await openBoth(from, to, tables, applier).finally(() => {
    applier.release()
  })
  const heldMs = performance.now() - started
  try {
    const comparisons: Comparison[] = []
    for (const table of tables) {
      comparisons.push(await compareTable(opened.expected, opened.found, table, options))
    }
    return {
      equal: comparisons.every(({ mismatches }) => mismatches.length === 0),
      rows: comparisons.reduce((sum, { rows }) => sum + rows, 0),
      tables: comparisons,
      heldMs,
    }
  } finally {
    await Promise.all([opened.expected.close(), opened.found.close()])
  }
}

async function openBoth(from: Side, to: Side, tables: readonly MovedTable[], applier: Applier) {
  const expected = await from.snapshot(tables, { exact: true })
  try {
    await applier.advanceTo(expected.position)
    return { expected, found: await to.snapshot(tables, { exact: false }) }
  } catch (error) {
    await expected.close()
    throw error
  }
}

/** In one line, by table and key. */
export function mismatchText({ tables }: Verification): string {
  return tables
    .filter(({ mismatches }) => mismatches.length > 0)
    .map(({ table, mismatches, truncated }) => {
      const [first] = mismatches
      const columns = first?.columns.length ? ` in ${first.columns.join(', ')}` : ''
      const count = `${mismatches.length}${truncated ? ' or more' : ''}`
      return `${table}: ${count} rows, first (${first?.key.join(', ')}) ${first?.kind}${columns}`
    })
    .join('; ')
}
