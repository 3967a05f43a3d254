import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { MovedTable } from '../model.ts'
import { ChunkRows } from './chunk-rows.ts'

const megabytes = 1024 * 1024
const table = {} as MovedTable

/** Numbers of rows asked for, of a table whose rows have these bytes. */
function asked(
  most: number,
  statistics: { rows: number; bytes: number },
  bytesOfRow: number,
  chunks: number,
): number[] {
  const chunkRows = new ChunkRows(most, { table, ...statistics })
  return Array.from({ length: chunks }, () => {
    const rows = chunkRows.next
    chunkRows.sawChunk(rows, rows * bytesOfRow)
    return rows
  })
}

void test('chunks: begin small and become as large as allowed', () => {
  assert.deepEqual(asked(20_000, { rows: 1e6, bytes: 1e8 }, 100, 3), [1000, 20_000, 20_000])
  assert.deepEqual(asked(20_000, { rows: 0, bytes: 0 }, 100, 5), [10, 200, 4000, 20_000, 20_000])
  assert.deepEqual(asked(50, { rows: 1e6, bytes: 1e8 }, 100, 2), [50, 50])
})

void test('chunks: have as many rows as fit in 16 MB', () => {
  assert.deepEqual(asked(20_000, { rows: 100, bytes: 1000 * megabytes }, 10 * megabytes, 2), [1, 1])
  // statistics that know nothing of what a server packed
  assert.deepEqual(asked(20_000, { rows: 1e6, bytes: 1e8 }, megabytes, 3), [1000, 16, 16])
  // small rows first, of a table whose rows are large
  assert.deepEqual(asked(20_000, { rows: 1000, bytes: 1000 * megabytes }, 100, 3), [16, 16, 16])
  assert.deepEqual(asked(20_000, { rows: 0, bytes: 0 }, 100 * megabytes, 3), [10, 1, 1])
})

void test('chunks: never ask for nothing, for more than allowed, or for more than 16 MB of rows like the last', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100_000 }),
      fc.record({ rows: fc.nat(1e7), bytes: fc.nat(2 ** 31 - 1) }),
      fc.array(fc.integer({ min: 1, max: 2 ** 28 }), { minLength: 1, maxLength: 20 }),
      (most, statistics, sizes) => {
        const chunkRows = new ChunkRows(most, { table, ...statistics })
        for (const size of sizes) {
          chunkRows.sawChunk(chunkRows.next, chunkRows.next * size)
          assert.ok(chunkRows.next >= 1 && chunkRows.next <= most)
          assert.ok(chunkRows.next === 1 || chunkRows.next * size <= 16 * megabytes)
        }
      },
    ),
  )
})
