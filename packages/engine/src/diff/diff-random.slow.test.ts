import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { proveDiff } from './diff-proof.fixture.ts'
import { randomSchema } from './random-schema.fixture.ts'

test('diffCatalogs: the statements between any two schemas make the first one the second', async () => {
  await fc.assert(
    fc.asyncProperty(randomSchema, randomSchema, fc.boolean(), async (left, right, concurrently) => {
      const { statements, differences } = await proveDiff(left, right, { concurrently })

      fc.pre(!statements.some(({ sql }) => sql.startsWith('-- ')))
      assert.deepEqual(differences, [], statements.map(({ sql }) => sql).join(';\n'))
    }),
    { numRuns: Number(process.env['IMHOTEP_RUNS'] ?? 80), endOnFailure: process.env['IMHOTEP_SHRINK'] === undefined },
  )
})
