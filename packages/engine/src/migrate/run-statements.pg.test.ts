import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect, type Database } from '@imhotep/postgres'
import { emptyDatabase } from '../../../../tests/support/database.ts'
import { applyMigrations } from './apply-migrations.ts'
import { MigrationEditedError, MigrationFailedError } from './errors.ts'

async function withDatabase(
  work: (database: Database, run: (text: string) => ReturnType<typeof applyMigrations>) => Promise<void>,
) {
  await using empty = await emptyDatabase()
  const database = connect(empty.url)
  try {
    await database.query('create table t (id int)')
    await work(database, (text) => applyMigrations(empty.url, { files: [{ path: 'V001__x.sql', text }] }))
  } finally {
    await database.close()
  }
}

const record = 'select success, statements_done as done from core.schema_migrations'
const indexes =
  "select indexrelid::regclass::text as name, indisvalid as valid from pg_index where indrelid = 't'::regclass order by 1"

test('no-transaction file: runs statement by statement and counts them', () =>
  withDatabase(async (database, run) => {
    await run('create index concurrently t_id on t (id);\ninsert into t values (1);\nvacuum t;')

    assert.deepEqual(await database.query(record), [{ success: true, done: 3 }])
    assert.deepEqual(await database.query(indexes), [{ name: 't_id', valid: true }])
  }))

test('no-transaction file: goes on behind the last statement that was done, nothing runs twice', () =>
  withDatabase(async (database, run) => {
    const text = (last: string) =>
      `insert into t values (1);\nset work_mem = '77MB';\nvacuum t;\n${last};\ninsert into t values (2)`

    await assert.rejects(run(text('select nope from t')), (error: MigrationFailedError) => {
      assert.deepEqual([error.line, error.column, error.sqlstate], [4, 8, '42703'])
      return true
    })
    assert.deepEqual(await database.query(record), [{ success: false, done: 3 }])
    await run(text(`insert into t select 10 where current_setting('work_mem') = '77MB'`))

    assert.deepEqual(await database.query(record), [{ success: true, done: 5 }])
    assert.deepEqual(await database.query('select id from t order by 1'), [{ id: 1 }, { id: 2 }, { id: 10 }])
  }))

test('no-transaction file: refuses to go on when a statement that is done was changed', () =>
  withDatabase(async (database, run) => {
    await assert.rejects(run('insert into t values (1);\nvacuum t;\nselect nope'), MigrationFailedError)

    await assert.rejects(run('insert into t values (2);\nvacuum t;\nselect 1'), MigrationEditedError)

    assert.deepEqual(await database.query(record), [{ success: false, done: 2 }])
  }))

test('no-transaction file: replaces the invalid index that a failed CREATE INDEX CONCURRENTLY left', () =>
  withDatabase(async (database, run) => {
    await database.query('insert into t values (1), (1)')
    const text = 'create unique index concurrently if not exists t_id on t (id)'
    await assert.rejects(run(text), MigrationFailedError)
    assert.deepEqual(await database.query(indexes), [{ name: 't_id', valid: false }])
    await database.query('delete from t where ctid = (select min(ctid) from t)')

    await run(text)

    assert.deepEqual(await database.query(indexes), [{ name: 't_id', valid: true }])
  }))

test('no-transaction file: a statement that was done but not yet counted is not run again', () =>
  withDatabase(async (database, run) => {
    await database.query('create table p (id int) partition by range (id)')
    await database.query('create table p1 partition of p for values from (1) to (2)')
    await database.query('create index t_old on t (id)')
    const statements = [
      'create index concurrently t_id on t (id)',
      'drop index concurrently t_old',
      'alter table p detach partition p1 concurrently',
    ]
    await assert.rejects(run(`${statements.join(';\n')};\nselect nope`), MigrationFailedError)

    for (const done of [0, 1, 2]) {
      await database.query(`update core.schema_migrations set statements_done = ${done}`)
      const rest = statements.slice(0, done + 1).join(';\n')
      await run(rest)

      assert.deepEqual(await database.query(record), [{ success: true, done: done + 1 }])
      await database.query(`update core.schema_migrations set success = false`)
    }
    assert.deepEqual(await database.query(indexes), [{ name: 't_id', valid: true }])
  }))

test('no-transaction file: the first run of CREATE INDEX CONCURRENTLY refuses a name that is taken', () =>
  withDatabase(async (database, run) => {
    await database.query('create index t_id on t (id)')

    await assert.rejects(run('create index concurrently t_id on t (id)'), MigrationFailedError)
  }))

test('no-transaction file: a new enum value can be used right behind the statement that adds it', () =>
  withDatabase(async (database, run) => {
    await database.query(`create type e as enum ('a')`)

    await run(`alter type e add value 'b';\ncreate table u (e e default 'b')`)

    assert.deepEqual(await database.query(record), [{ success: true, done: 2 }])
  }))
