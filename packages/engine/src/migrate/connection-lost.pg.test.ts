import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emptyDatabase } from '../../../../tests/support/database.ts'
import { startProxy } from '../../../../tests/support/proxy.ts'
import { applyMigrations } from './apply-migrations.ts'

test('applyMigrations: when the connection breaks nobody knows whether the file was committed, and the error says so', async (t) => {
  await using database = await emptyDatabase()
  const files = [{ path: 'V001__a.sql', text: 'create table a (id int)' }]
  const proxy = await startProxy(database.url)
  t.after(() => proxy.close())
  proxy.cut(/create table a/)

  await assert.rejects(applyMigrations(proxy.url, { files }), {
    code: 'IMH_MIGRATION_FAILED',
    exitCode: 2,
    hint: /nobody knows whether it was committed/,
  })

  const { applied } = await applyMigrations(database.url, { files })
  assert.deepEqual(
    applied.map(({ version }) => version),
    ['001'],
  )
})
