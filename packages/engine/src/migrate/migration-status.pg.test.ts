import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '@imhotep/postgres'
import { emptyDatabase } from '../../../../tests/support/database.ts'
import { applyMigrations } from './apply-migrations.ts'
import { migrationStatus } from './migration-status.ts'

const a = { path: 'V001__a.sql', text: 'create table a (id int)' }
const b = { path: 'V002__b.sql', text: 'create table b (id int)' }

test('migrationStatus: of a database without history everything is pending, and nothing is created', async () => {
  await using empty = await emptyDatabase()

  const status = await migrationStatus(empty.url, { files: [b, a] })

  assert.deepEqual(status, {
    versions: [
      { version: '001', file: 'V001__a.sql', state: 'pending' },
      { version: '002', file: 'V002__b.sql', state: 'pending' },
    ],
    chainBrokenAt: null,
  })
  const database = connect(empty.url)
  assert.deepEqual(await database.query(`select from pg_namespace where nspname = 'core'`), [])
  await database.close()
})

test('migrationStatus: tells applied, edited, missing, failed and pending apart', async () => {
  await using empty = await emptyDatabase()
  const failing = { path: 'V004__d.sql', text: 'vacuum a; select nope' }
  await applyMigrations(empty.url, { files: [a, b, { path: 'V003__c.sql', text: 'select 1' }] })
  await assert.rejects(
    applyMigrations(empty.url, { files: [a, b, { path: 'V003__c.sql', text: 'select 1' }, failing] }),
  )

  const { versions } = await migrationStatus(empty.url, {
    files: [
      { ...a, text: `-- comment\n${a.text}` },
      { ...b, text: 'create table b (id bigint)' },
      failing,
      { path: 'V005__e.sql', text: '' },
      { path: 'R__v.sql', text: '' },
      { path: 'U001__a.sql', text: '' },
    ],
  })

  assert.deepEqual(
    versions.map(({ version, state }) => `${version} ${state}`),
    ['001 applied', '002 edited', '003 missing', '004 failed', '005 pending', 'R__v pending'],
  )
})
