import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emptyDatabase } from '../../../../tests/support/database.ts'
import { connect } from '@imhotep/postgres'
import { applyMigrations } from './apply-migrations.ts'
import { BaselineRefusedError, UnknownVersionError } from './errors.ts'
import { markBaseline } from './mark-baseline.ts'

const files = [1, 2, 3].map((n) => ({ path: `V00${n}__t${n}.sql`, text: `create table t${n} (id int)` }))

test('markBaseline: records versions without running them, the rest is applied as usual', async () => {
  await using empty = await emptyDatabase()

  const { marked } = await markBaseline(empty.url, '2', { files })
  const result = await applyMigrations(empty.url, { files })

  assert.deepEqual(
    marked.map(({ version }) => version),
    ['001', '002'],
  )
  assert.deepEqual([result.applied.map(({ version }) => version), result.already, result.warnings], [['003'], 2, []])
  const database = connect(empty.url)
  assert.deepEqual(await database.query('select kind, success from core.schema_migrations order by version'), [
    { kind: 'baseline', success: true },
    { kind: 'baseline', success: true },
    { kind: 'versioned', success: true },
  ])
  await database.close()
})

test('markBaseline: refuses a database that has a history, and a version without a file', async () => {
  await using empty = await emptyDatabase()

  await assert.rejects(markBaseline(empty.url, '9', { files }), UnknownVersionError)
  await applyMigrations(empty.url, { files: files.slice(0, 1) })

  await assert.rejects(markBaseline(empty.url, '1', { files }), BaselineRefusedError)
})
