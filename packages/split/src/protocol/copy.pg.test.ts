import assert from 'node:assert/strict'
import { test } from 'node:test'
import { logicalDatabase, runOn } from '../../../../tests/support/logical-server.ts'
import { Ledger } from '../ledger/ledger.ts'
import type { MovedTable } from '../model.ts'
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

function moveOf(two: TwoDatabases): Move {
  const move: Partial<Move> = {
    service: 'ward',
    source: two.source,
    target: two.target,
    tables: two.tables,
    reference: [],
    common: [],
    options: { ...defaultOptions, chunkRows: 50 },
    signal: new AbortController().signal,
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

/** Copies a service whose log is open, up to the state in which it is followed. */
async function provisioned(two: TwoDatabases) {
  const book = await logicalDatabase('ledger')
  const ledger = await Ledger.open(book.url, 'shared')
  await ledger.enter('ward')
  const log = forwardLog('ward')
  const forwardFrom = await two.source.openLog(log, two.tables)
  let entry = await ledger.read('ward')
  for (const state of ['cleared', 'provisioned'] as const) entry = await ledger.advance(entry, state, { forwardFrom })
  return {
    copy: async (changed: Partial<Move>) => {
      const schema = { createKeys: async () => {} } as Partial<Move['schema']>
      return copy({ ...moveOf(two), ledger, schema, ...changed } as Move, await ledger.read('ward'))
    },
    async [Symbol.asyncDispose]() {
      await ledger.close()
      await book[Symbol.asyncDispose]()
      await two.source.closeLog(log)
    },
  }
}

test('copy: all rows of all tables, which go on beside each other, and their keys', async () => {
  await using two = await twoDatabases(tables, { rows })
  await using service = await provisioned(two)

  await service.copy({})

  await assertSame(two)
})

test('copy: a load that is refused ends it, nothing is left under way, and it goes on where it was', async () => {
  await using two = await twoDatabases(tables, { rows })
  await using service = await provisioned(two)
  await two.serviceDb.query('alter table visits add constraint few check (id < 200)')

  await assert.rejects(service.copy({}), { sqlstate: '23514' })

  const busy = await two.serviceDb.query(
    `select query from pg_stat_activity
      where datname = current_database() and application_name = 'imhotep split' and state <> 'idle'`,
  )
  assert.deepEqual(busy, [])
  const visits = two.tables.find(({ source }) => source.name === 'visits')
  const there = visits && (await two.target.loaded(visits))
  assert.ok(there && !there.complete && there.rows < 200)

  await two.serviceDb.query('alter table visits drop constraint few')
  await service.copy({})
  await assertSame(two)
})

test('copy: stops when it is told to, and goes on where it was', async () => {
  await using two = await twoDatabases(tables, { rows })
  await using service = await provisioned(two)
  const stop = new AbortController()
  const target = Object.assign(Object.create(two.target) as typeof two.target, {
    load: async (...load: Parameters<typeof two.target.load>) => {
      await two.target.load(...load)
      if (load[0].source.name === 'notes') stop.abort()
    },
  })

  await assert.rejects(service.copy({ signal: stop.signal, target }), { name: 'AbortError' })

  await service.copy({})
  await assertSame(two)
})

const letters = `create table letters (id int primary key, body text, at int); alter table letters alter body set storage external`
const lettersRows = `insert into letters select n, repeat(chr(64 + n), 9000), n from generate_series(1, 6) n`

test('copy: a key that was freed and taken between the begin of the log and the snapshot keeps what the log leaves out', async () => {
  await using two = await twoDatabases(letters, { rows: lettersRows })
  await using service = await provisioned(two)
  await runOn(two.shared.url, 'delete from letters where id = 2; update letters set id = 2, at = 9 where id = 1')

  const copied = await service.copy({})

  assert.equal(copied.state, 'streaming')
  await assertSame(two)
})

for (const [what, sql] of [
  ['behind the stop', 'delete from letters where id = 6; update letters set id = 6, at = 9 where id = 5'],
  ['before the stop', 'delete from letters where id = 2; update letters set id = 2, at = 9 where id = 5'],
  ['over the stop', 'delete from letters where id = 6; update letters set id = 6, at = 9 where id = 1'],
  ['by other rows', `truncate letters; insert into letters values (1, 'a', 1), (5, 'e', 5), (8, 'h', 8)`],
  ['by new rows', `insert into letters values (7, repeat('x', 9000), 1), (0, 'z', 5); update letters set id = id + 20`],
] as const) {
  test(`copy: a key that was freed and taken between two parts of a copy, ${what}, keeps what the log leaves out`, async () => {
    await using two = await twoDatabases(letters, { rows: lettersRows })
    await using service = await provisioned(two)
    const stop = new AbortController()
    const target = Object.assign(Object.create(two.target) as typeof two.target, {
      load: async (...load: Parameters<typeof two.target.load>) => {
        stop.abort()
        await two.target.load(...load)
      },
    })
    const options = { ...defaultOptions, chunkRows: 2 }
    await assert.rejects(service.copy({ target, options, signal: stop.signal }), { name: 'AbortError' })
    assert.equal((await two.target.loaded(two.tables[0] as MovedTable)).rows, 2)
    await runOn(two.shared.url, sql)

    await service.copy({ options })

    await assertSame(two)
  })
}
