import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emptyDatabase } from '../../../../tests/support/database.ts'
import { killAndFinish } from './kill-migrations.fixture.ts'

test('applyMigrations: 100 kills spread over the whole run, and each next run ends right', async () => {
  const already: number[] = []

  for (let n = 0; n < 100; n++) {
    await using empty = await emptyDatabase()
    already.push(await killAndFinish(empty.url, n * 2))
  }

  // Fails when the kills missed: all before the first file, or all behind the last one.
  assert.ok(new Set(already).size >= 4, `files recorded when killed: ${already.join(' ')}`)
})
