import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '@imhotep/postgres'
import { emptyDatabase } from '../../../../tests/support/database.ts'
import { applyMigrations } from './apply-migrations.ts'
import { MigrationEditedError, RepairRefusedError, UnknownVersionError } from './errors.ts'
import { migrationStatus } from './migration-status.ts'
import { repairMigration } from './repair-migration.ts'

const applied = ['V001__a.sql', 'V002__b.sql', 'V003__c.sql'].map((path, n) => ({
  path,
  text: `create table t${n} (id int)`,
}))
const edited = applied.map((file) =>
  file.path === 'V002__b.sql' ? { ...file, text: 'create table t1 (id bigint)' } : file,
)

test('repairMigration: a dry run shows the difference and changes nothing', async () => {
  await using empty = await emptyDatabase()
  await applyMigrations(empty.url, { files: applied })

  const result = await repairMigration(empty.url, '2', { files: edited, dryRun: true })

  assert.deepEqual([result.version, result.action, result.changed], ['002', 'accept', false])
  assert.match(result.diff, /-create table t1 \(id int\)\n\+create table t1 \(id bigint\)/)
  assert.equal(result.recorded, 'create table t1 (id int)')
  await assert.rejects(applyMigrations(empty.url, { files: edited }), MigrationEditedError)
})

test('repairMigration: accepts one edited file and links the versions behind it anew', async () => {
  await using empty = await emptyDatabase()
  await applyMigrations(empty.url, { files: applied })

  const result = await repairMigration(empty.url, '002', { files: edited })

  assert.deepEqual([result.action, result.changed], ['accept', true])
  assert.deepEqual((await applyMigrations(empty.url, { files: edited })).warnings, [])
  assert.equal((await migrationStatus(empty.url, { files: edited })).chainBrokenAt, null)
  assert.deepEqual((await repairMigration(empty.url, '002', { files: edited })).action, 'none')
})

test('repairMigration: removes the record of a failed run, so that the file starts anew', async () => {
  await using empty = await emptyDatabase()
  const failing = { path: 'V001__a.sql', text: 'insert into t values (1);\nvacuum;\nselect nope' }
  const database = connect(empty.url)
  await database.query('create table t (id int)')
  await assert.rejects(applyMigrations(empty.url, { files: [failing] }))

  const result = await repairMigration(empty.url, '001', { files: [failing] })

  assert.deepEqual([result.action, result.statementsDone], ['remove', 2])
  await applyMigrations(empty.url, { files: [{ ...failing, text: 'insert into t values (2)' }] })
  assert.deepEqual(await database.query('select id from t order by 1'), [{ id: 1 }, { id: 2 }])
  await database.close()
})

test('repairMigration: changes nothing on a production database', async () => {
  await using empty = await emptyDatabase()
  await applyMigrations(empty.url, { files: applied })
  const production = { files: edited, environmentSql: `select 'production'` }

  await assert.rejects(repairMigration(empty.url, '002', production), RepairRefusedError)

  assert.equal((await repairMigration(empty.url, '002', { ...production, dryRun: true })).action, 'accept')
  await assert.rejects(applyMigrations(empty.url, { files: edited }), MigrationEditedError)
})

test('repairMigration: does not know a version that was never recorded', async () => {
  await using empty = await emptyDatabase()

  await assert.rejects(repairMigration(empty.url, '7', { files: applied }), UnknownVersionError)
})
