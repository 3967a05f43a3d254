import assert from 'node:assert/strict'
import { test } from 'node:test'
import { logicalDatabase, runOn } from '../../../../tests/support/logical-server.ts'
import { Ledger } from '../ledger/ledger.ts'
import { copyTables } from './copy.ts'
import { defaultOptions, forwardLog, type Move } from './move.ts'
import { copy } from './way-there.ts'
import { digestOf, twoDatabases, type TwoDatabases } from '../postgres/two-databases.fixture.ts'

const tables = `
  create table patients (id int primary key, name text);
  create table visits (id int primary key, patient_id int not null);
  create table notes (id int, part int, body text, primary key (id, part));
  create table empty (id int primary key);
  create table also_empty (id uuid primary key);
  create table beds (id int primary key)`

const rows = `
  insert into patients select n, 'p' || n from generate_series(1, 1000) n;
  insert into visits select n, n % 1000 from generate_series(1, 430) n;
  insert into notes select n / 7, n % 7, repeat('x', n) from generate_series(1, 300) n;
  insert into beds select generate_series(1, 5);
  analyze`

function moveOf(two: TwoDatabases, signal = new AbortController().signal): Move {
  const move: Partial<Move> = {
    service: 'ward',
    source: two.source,
    target: two.target,
    tables: two.tables,
    reference: [],
    common: [],
    options: { ...defaultOptions, chunkRows: 50 },
    signal,
    say: () => {},
  }
  return move as Move
}

async function assertSame(two: TwoDatabases): Promise<void> {
  assert.deepEqual(await digestOf(two.target, two.tables), await digestOf(two.source, two.tables))
  const without = await two.serviceDb.query<{ name: string }>(
    `select relname as name from pg_class c where relkind = 'r' and relnamespace = 'public'::regnamespace
        and not exists (select from pg_constraint where conrelid = c.oid and contype = 'p')`,
  )
  assert.deepEqual(without, [])
}

test('copyTables: all rows of all tables, which go on beside each other, and their keys', async () => {
  await using two = await twoDatabases(tables, { rows })

  assert.deepEqual(await copyTables(moveOf(two)), { rows: 1735 })

  await assertSame(two)
})

test('copyTables: a load that is refused ends it, nothing is left under way, and it goes on where it was', async () => {
  await using two = await twoDatabases(tables, { rows })
  await two.serviceDb.query('alter table visits add constraint few check (id < 200)')

  await assert.rejects(copyTables(moveOf(two)), { sqlstate: '23514' })

  const busy = await two.serviceDb.query(
    `select query from pg_stat_activity
      where datname = current_database() and application_name = 'imhotep split' and state <> 'idle'`,
  )
  assert.deepEqual(busy, [])
  const visits = two.tables.find(({ source }) => source.name === 'visits')
  const there = visits && (await two.target.loaded(visits))
  assert.ok(there && !there.complete && there.rows < 200)

  await two.serviceDb.query('alter table visits drop constraint few')
  await copyTables(moveOf(two))
  await assertSame(two)
})

test('copyTables: stops when it is told to, and goes on where it was', async () => {
  await using two = await twoDatabases(tables, { rows })
  const stop = new AbortController()
  const target = Object.assign(Object.create(two.target) as typeof two.target, {
    load: async (...load: Parameters<typeof two.target.load>) => {
      await two.target.load(...load)
      if (load[0].source.name === 'notes') stop.abort()
    },
  })

  await assert.rejects(copyTables({ ...moveOf(two, stop.signal), target }), { name: 'AbortError' })

  await copyTables(moveOf(two))
  await assertSame(two)
})

test('copy: a key that was freed and taken between the begin of the log and the snapshot keeps what the log leaves out', async () => {
  await using two = await twoDatabases(
    `create table letters (id int primary key, body text, at int); alter table letters alter body set storage external`,
    { rows: `insert into letters select n, repeat(chr(64 + n), 9000), n from generate_series(1, 3) n` },
  )
  await using book = await logicalDatabase('ledger')
  const ledger = await Ledger.open(book.url, 'shared')
  try {
    await ledger.enter('ward')
    const log = forwardLog('ward')
    const forwardFrom = await two.source.openLog(log, two.tables)
    let entry = await ledger.read('ward')
    for (const state of ['cleared', 'provisioned'] as const) entry = await ledger.advance(entry, state, { forwardFrom })
    await runOn(two.shared.url, 'delete from letters where id = 2; update letters set id = 2, at = 9 where id = 1')
    const move = { ...moveOf(two), ledger, schema: { createKeys: async () => {} } as Partial<Move['schema']> } as Move

    const copied = await copy(move, entry)

    assert.equal(copied.state, 'streaming')
    await assertSame(two)
    await two.source.closeLog(log)
  } finally {
    await ledger.close()
  }
})
