import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '@imhotep/postgres'
import { emptyDatabase } from '../../../../tests/support/database.ts'
import { applyMigrations } from './apply-migrations.ts'
import {
  MigrationCancelledError,
  MigrationFailedError,
  MigrationLockedError,
  MigrationLockLostError,
} from './errors.ts'
import { historyTable } from './history-table.ts'
import { takeMigrationLock } from './migration-lock.ts'
import { withConnection } from './migration-session.ts'

const table = historyTable()
const files = [{ path: 'V001__a.sql', text: 'create table a (id int); select pg_sleep(0.1)' }]

test('applyMigrations: of four at once all succeed and one applies', async () => {
  await using empty = await emptyDatabase()

  const results = await Promise.all([1, 2, 3, 4].map(() => applyMigrations(empty.url, { files })))

  assert.deepEqual(
    results.map(({ applied }) => applied.length).toSorted((a, b) => a - b),
    [0, 0, 0, 1],
  )
  assert.deepEqual(
    results.map(({ already }) => already).toSorted((a, b) => a - b),
    [0, 1, 1, 1],
  )
})

test('applyMigrations: says who holds the lock, waits for it, and gives up after the time limit', async () => {
  await using empty = await emptyDatabase()
  const told: string[] = []
  await withConnection(empty.url, async (holder) => {
    const lock = await takeMigrationLock(holder, table, { lockTimeoutMs: 0 })

    const waiting = applyMigrations(empty.url, { files, lockTimeoutMs: 100, onProgress: (text) => told.push(text) })

    await assert.rejects(waiting, (error: MigrationLockedError) => {
      assert.equal(error.pid, holder.pid)
      assert.match(error.message, /'imhotep migrate', since \d{4}-/)
      return true
    })
    assert.match(told[0] ?? '', new RegExp(`waiting for another migration: pid ${holder.pid}`))
    await lock.release()
  })

  assert.equal((await applyMigrations(empty.url, { files })).applied.length, 1)
})

test('takeMigrationLock: another history table of the same database is another lock', async () => {
  await using empty = await emptyDatabase()

  await withConnection(empty.url, (one) =>
    withConnection(empty.url, async (two) => {
      await takeMigrationLock(one, table, { lockTimeoutMs: 0 })
      await takeMigrationLock(two, historyTable('other.history'), { lockTimeoutMs: 0 })

      await assert.rejects(takeMigrationLock(two, table, { lockTimeoutMs: 0 }), MigrationLockedError)
    }),
  )
})

test('takeMigrationLock: notices that the lock is gone', async () => {
  await using empty = await emptyDatabase()
  await withConnection(empty.url, async (connection) => {
    const lock = await takeMigrationLock(connection, table, { lockTimeoutMs: 0 })
    await lock.check()

    await connection.query('select pg_advisory_unlock_all()')

    await assert.rejects(lock.check(), MigrationLockLostError)
  })
})

test('applyMigrations: stops before the next file when a file gave the lock away', async () => {
  await using empty = await emptyDatabase()
  const careless = { path: 'V000__x.sql', text: 'select pg_advisory_unlock_all()' }

  await assert.rejects(applyMigrations(empty.url, { files: [careless, ...files] }), MigrationLockLostError)

  assert.equal((await applyMigrations(empty.url, { files: [careless, ...files] })).applied.length, 1)
})

test('applyMigrations: tries again when a table is locked, until it is free', async () => {
  await using empty = await emptyDatabase()
  const database = connect(empty.url)
  await database.query('create table b (id int)')
  const alter = [{ path: 'V001__b.sql', text: 'alter table b add c int' }]
  const told: string[] = []
  let free = () => {}
  const isFree = new Promise<void>((resolve) => (free = resolve))

  const blocked = database.transaction(async (tx) => {
    await tx.query('select from b')
    const run = applyMigrations(empty.url, {
      files: alter,
      statementLockTimeout: '50ms',
      onProgress: (text) => {
        told.push(text)
        if (text.includes('trying again')) free()
      },
    })
    await isFree
    return { run }
  })
  const result = await (await blocked).run

  assert.equal(result.applied.length, 1)
  assert.ok(
    told.some((text) => /V001__b\.sql: a table is locked by somebody else, trying again/.test(text)),
    told.join(),
  )
  await database.close()
})

test('applyMigrations: gives up on a table that stays locked, and nothing is applied', async () => {
  await using empty = await emptyDatabase()
  const database = connect(empty.url)
  await database.query('create table b (id int)')

  await database.transaction(async (tx) => {
    await tx.query('select from b')
    const run = applyMigrations(empty.url, {
      files: [{ path: 'V001__b.sql', text: 'create table c (id int);\nalter table b add c int' }],
      statementLockTimeout: '1ms',
      attempts: 2,
    })
    await assert.rejects(run, (error: MigrationFailedError) => {
      assert.deepEqual([error.sqlstate, error.line], ['55P03', 2])
      assert.match(error.hint ?? '', /pg_stat_activity/)
      return true
    })
  })

  assert.deepEqual(await database.query(`select to_regclass('c') as c`), [{ c: null }])
  await database.close()
})

test('applyMigrations: an abort cancels the running statement, takes its file back and keeps the files before', async () => {
  await using empty = await emptyDatabase()
  const abort = new AbortController()
  const slow = { path: 'V002__slow.sql', text: 'create table slow (id int); select pg_sleep(60)' }

  const run = applyMigrations(empty.url, {
    files: [...files, slow],
    signal: abort.signal,
    onProgress: (text) => {
      if (text === 'applying V002__slow.sql') setTimeout(() => abort.abort(), 100)
    },
  })

  await assert.rejects(run, (error: MigrationCancelledError) => {
    assert.deepEqual(error.applied, ['V001__a.sql'])
    assert.match(error.message, /'V002__slow\.sql' was stopped/)
    return true
  })
  const database = connect(empty.url)
  assert.deepEqual(await database.query(`select to_regclass('a') is null as a, to_regclass('slow') is null as slow`), [
    { a: false, slow: true },
  ])
  await database.close()
})

test('applyMigrations: an abort while it waits for the lock ends the wait', async () => {
  await using empty = await emptyDatabase()
  const abort = new AbortController()
  await withConnection(empty.url, async (holder) => {
    await takeMigrationLock(holder, table, { lockTimeoutMs: 0 })

    const waiting = applyMigrations(empty.url, { files, signal: abort.signal, onProgress: () => abort.abort() })

    await assert.rejects(waiting, MigrationCancelledError)
  })
})
