import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { inParts } from './in-parts.ts'
import type { Row } from './model.ts'

function charactersOf(rows: readonly Row[]): number {
  return rows.flat().reduce((sum, text) => sum + (text?.length ?? 0), 0)
}

void test('inParts: all rows in their order, in parts within both limits, or of one row', () => {
  const value = fc.option(fc.string({ maxLength: 30 }))
  fc.assert(
    fc.property(
      fc.array(fc.array(value, { maxLength: 4 })),
      fc.record({ rows: fc.integer({ min: 1, max: 5 }), characters: fc.integer({ min: 1, max: 60 }) }),
      (rows: Row[], limits) => {
        const parts = inParts(rows, limits, (row) => row)

        assert.deepEqual(parts.flat(), rows)
        for (const part of parts) {
          assert.ok(part.length > 0 && part.length <= limits.rows)
          assert.ok(part.length === 1 || charactersOf(part) <= limits.characters)
        }
        // no part could have taken the first row of the next
        parts.slice(1).forEach((part, at) => {
          const before = parts[at] as Row[]
          const more = [...before, part[0] as Row]
          assert.ok(before.length === limits.rows || charactersOf(more) > limits.characters)
        })
      },
    ),
  )
})
