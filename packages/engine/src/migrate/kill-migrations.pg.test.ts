import assert from 'node:assert/strict'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { emptyDatabase } from '../../../../tests/support/database.ts'
import type { MigrateResult } from './apply-migrations.ts'
import { killAndFinish, mixedHistory, startMigrating } from './kill-migrations.fixture.ts'

test('applyMigrations: of four processes at once all exit 0 and one applies', async () => {
  await using empty = await emptyDatabase()

  const runs = [1, 2, 3, 4].map(async () => {
    const child = await startMigrating(empty.url, mixedHistory)
    assert.ok(child.stdout)
    const [output, [exitCode]] = await Promise.all([text(child.stdout), once(child, 'exit')])
    const result = JSON.parse(output.replace('ready\n', '')) as MigrateResult
    return { exitCode, applied: result.applied.length }
  })
  const results = await Promise.all(runs)

  assert.deepEqual(
    results.map(({ exitCode }) => exitCode),
    [0, 0, 0, 0],
  )
  assert.deepEqual(
    results.map(({ applied }) => applied).toSorted((a, b) => a - b),
    [0, 0, 0, 7],
  )
})

for (const delay of [10, 40, 80, 140]) {
  test(`applyMigrations: killed ${delay} ms after it began, the next run ends right`, async () => {
    await using empty = await emptyDatabase()

    await killAndFinish(empty.url, delay)
  })
}
