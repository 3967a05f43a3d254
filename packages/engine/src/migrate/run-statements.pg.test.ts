import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect, type Database } from '@imhotep/postgres'
import { emptyDatabase } from '../../../../tests/support/database.ts'
import { applyMigrations, type MigrateOptions } from './apply-migrations.ts'
import { MigrationEditedError, MigrationFailedError } from './errors.ts'

async function withDatabase(
  work: (
    database: Database,
    run: (text: string, options?: MigrateOptions) => ReturnType<typeof applyMigrations>,
  ) => Promise<void>,
) {
  await using empty = await emptyDatabase()
  const database = connect(empty.url)
  try {
    await database.query('create table t (id int)')
    await work(database, (text, options) =>
      applyMigrations(empty.url, { ...options, files: [{ path: 'V001__x.sql', text }] }),
    )
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

test('no-transaction file: batches that commit by themselves run, and are counted', () =>
  withDatabase(async (database, run) => {
    const batches = 'do $$ begin for i in 1..3 loop insert into t values (i); commit; end loop; end $$'

    await run(`-- imhotep:no-transaction\ninsert into t values (0);\n${batches};\ninsert into t values (4)`)

    assert.deepEqual(await database.query(record), [{ success: true, done: 3 }])
    assert.deepEqual(await database.query('select array_agg(id order by id) as ids from t'), [{ ids: [0, 1, 2, 3, 4] }])
  }))

test('no-transaction file: batches that were committed do not run again by themselves', () =>
  withDatabase(async (database, run) => {
    await database.query('insert into t values (7)')
    await database.transaction(async (tx) => {
      await tx.query('select from t where id = 7 for update')

      const batches = 'do $$ begin insert into t values (1); commit; update t set id = id where id = 7; end $$'
      const running = run(`-- imhotep:no-transaction\n${batches}`, { statementLockTimeout: '50ms' })

      await assert.rejects(running, { sqlstate: '55P03' })
    })

    assert.deepEqual(await database.query('select count(*)::int as n from t where id = 1'), [{ n: 1 }])
    assert.deepEqual(await database.query(record), [{ success: false, done: 0 }])
  }))

test('no-transaction file: a statement is counted as who is connected, whatever role the file has taken', () =>
  withDatabase(async (database, run) => {
    const [{ role } = { role: '' }] = await database.query<{ role: string }>(
      `select 'owner_of_' || current_database() as role`,
    )
    await database.query(`create role ${role}`)
    await database.query(`alter table t owner to ${role}`)
    await database.query(`grant create on schema public to ${role}`)
    await database.query('create table seen (who text)')
    await database.query(`grant insert on seen to ${role}`)
    const seen = 'insert into seen values (current_user)'
    try {
      for (const set of [`set role ${role}`, `set session authorization ${role}`]) {
        await run(`${set};\ncreate index concurrently t_id on t (id);\n${seen};\n${seen}`)

        assert.deepEqual(await database.query(record), [{ success: true, done: 4 }])
        assert.deepEqual(await database.query('select distinct who from seen'), [{ who: role }])
        await database.query('drop schema core cascade')
        await database.query('drop index t_id')
      }
    } finally {
      await database.query(`drop owned by ${role}`)
      await database.query(`drop role ${role}`)
    }
  }))

const waits = {
  'a limit for one statement is none for the others': [
    `set local lock_timeout = '1h';\nalter table t add column a int;\ncreate index concurrently t_id on t (id)`,
    1,
  ],
  'a limit that is set later is none for what is before': [
    `alter table t add column a int;\nset lock_timeout = '1h';\nvacuum t`,
    0,
  ],
  'a limit that was reset is none any more': [
    `set lock_timeout = '1h';\nreset lock_timeout;\nalter table t add column a int;\nvacuum t`,
    2,
  ],
  'what runs alone and is in the way has a limit as well': ['vacuum full t', 0],
} as const
for (const [name, [text, done]] of Object.entries(waits)) {
  test(`no-transaction file: ${name}`, () =>
    withDatabase(async (database, run) => {
      await database.transaction(async (tx) => {
        await tx.query('select from t')

        await assert.rejects(run(text, { attempts: 1, statementLockTimeout: '50ms' }), { sqlstate: '55P03' })
      })

      assert.deepEqual(await database.query(record), [{ success: false, done }])
    }))
}
