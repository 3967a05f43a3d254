import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { runOn } from '../../../../tests/support/logical-server.ts'
import type { Change, Key, MovedTable } from '../model.ts'
import { typesRows, typesTable } from './column-types.fixture.ts'
import { ChangeLogLostError, ChangeLogTablesError, MovedTableAlteredError } from './errors.ts'
import { digestOf, readUpToNow, twoDatabases, type TwoDatabases } from './two-databases.fixture.ts'

let two: TwoDatabases
before(async () => {
  two = await twoDatabases(
    `${typesTable}
     create table items (id int primary key, code text unique, body text, n int default 0);
     create table pairs (a text, b int, note text, primary key (a, b));
     create table loose (a int not null, b text not null, note text);
     alter table loose replica identity full;
     alter table items alter body set storage external;
     create table days (day date, id int, note text, primary key (day, id)) partition by range (day);
     create table days_1 partition of days for values from ('2026-01-01') to ('2026-02-01');
     create table days_2 partition of days default;
     create table strict (id int primary key generated always as identity, v text, w int generated always as (id * 2) stored);
     alter table strict enable row level security; alter table strict force row level security;
     create table numbered (id int primary key, no int generated always as identity, title text, body text);
     alter table numbered alter body set storage external;
     create table other (id int primary key);
     create table resumed (id int primary key, body text, n int);
     alter table resumed alter body set storage external;
     create table growing (id int primary key, v text);
     create table resized (id int primary key, v varchar(10))`,
  )
})
after(() => two[Symbol.asyncDispose]())

const table = (name: string): MovedTable => {
  const found = two.tables.find(({ source }) => source.name === name) as MovedTable
  return name === 'loose' ? { ...found, key: ['a', 'b'] } : found
}

let logs = 0

/** What `sql` writes to these tables, as the log tells it; applied to the service's database as well. */
async function follow(names: readonly string[], sql: string): Promise<Change[]> {
  const log = `test_${logs++}_${two.shared.name}`
  const tables = names.map(table)
  const from = await two.source.openLog(log, tables)
  await runOn(two.shared.url, sql)
  const transactions = await readUpToNow(two.source, log, from, tables)
  await two.target.apply(log, transactions)
  await two.source.closeLog(log)
  assert.deepEqual(await digestOf(two.target, tables), await digestOf(two.source, tables))
  return transactions.flatMap(({ changes }) => [...changes])
}

const told = (changes: Iterable<Change>) => [...changes].map(({ kind, key, row }) => [kind, key?.join(), row?.slice()])

test('log: a row of every type arrives as COPY writes it, and both sides digest it the same', async () => {
  const changes = await follow(['types'], typesRows)

  const snapshot = await two.source.snapshot([table('types')], { exact: false })
  const { data } = await snapshot.chunk(table('types'), null, 100)
  await snapshot.close()
  const copied = data
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'))
  assert.equal(changes.length, 6)
  assert.ok((changes[0]?.row?.length ?? 0) > 50)
  changes.forEach(({ row }, at) => assert.deepEqual(row?.map(asCopyWrites), copied[at]))
})

function asCopyWrites(value: string | null | undefined): string {
  if (value == null) return String.raw`\N`
  const names: Record<string, string> = { '\t': 't', '\n': 'n', '\r': 'r', '\\': '\\', '\b': 'b', '\v': 'v', '\f': 'f' }
  return value.replace(/[\t\n\r\\\b\v\f]/g, (char) => `\\${names[char]}`)
}

test('log: insert, update and delete with the key that the row had before', async () => {
  const changes = await follow(
    ['pairs'],
    `insert into pairs values ('a', 1, 'x'), ('b', 2, null);
     update pairs set note = 'y' where a = 'a'; update pairs set b = 3 where a = 'b'; delete from pairs where a = 'a'`,
  )

  assert.deepEqual(told(changes), [
    ['insert', undefined, ['a', '1', 'x']],
    ['insert', undefined, ['b', '2', null]],
    ['update', 'a,1', ['a', '1', 'y']],
    ['update', 'b,2', ['b', '3', null]],
    ['delete', 'a,1', undefined],
  ])
})

test('log: a long value that did not change is left out, and survives a new key', async () => {
  await follow(['items'], `insert into items values (1, 'a', repeat('long', 5000)), (2, 'b', repeat('gnol', 5000))`)

  const changes = await follow(
    ['items'],
    `begin; update items set n = 1 where id = 1; update items set n = 2 where id = 1; commit;
     update items set id = 7 where id = 2; update items set id = 8, body = 'short' where id = 7`,
  )

  assert.deepEqual(told(changes).slice(0, 3), [
    ['update', '1', ['1', 'a', undefined, '1']],
    ['update', '1', ['1', 'a', undefined, '2']],
    ['update', '2', ['7', 'b', undefined, '0']],
  ])
})

test('log: a row that is inserted and changed in one batch keeps its long value', async () => {
  await follow(
    ['items'],
    `insert into items values (20, 'k', repeat('long', 5000)); update items set n = 5 where id = 20;
     update items set id = 21 where id = 20; update items set n = 6 where id = 21`,
  )

  const [row] = await two.serviceDb.query('select id, length(body) as length, n from items where code = $1', ['k'])
  assert.deepEqual(row, { id: 21, length: 20_000, n: 6 })
})

test('log: a row that took another key between two parts of a copy is one row', async () => {
  const tables = [table('resumed')]
  const log = `resumed_${two.shared.name}`
  await two.sharedDb.query(
    `insert into resumed values (1, repeat('long', 5000), 1), (2, repeat('gnol', 5000), 2), (3, 'c', 3)`,
  )
  const from = await two.source.openLog(log, tables)
  const copy = async (after: Key | null, limit: number) => {
    const snapshot = await two.source.snapshot(tables, { exact: false })
    const chunk = await snapshot.chunk(tables[0] as MovedTable, after, limit)
    await two.target.load(tables[0] as MovedTable, chunk)
    await snapshot.close()
    return chunk.last
  }
  const last = await copy(null, 2)
  await two.sharedDb.query('update resumed set id = id + 10, n = n + 10 where id < 3')
  await two.sharedDb.query(`update resumed set id = 21, body = 'short' where id = 11`)
  await copy(await copy(last, 10), 10)

  await two.target.apply(log, await readUpToNow(two.source, log, from, tables))

  assert.deepEqual(await digestOf(two.target, tables), await digestOf(two.source, tables))
  await two.source.closeLog(log)
})

test('log: unique values that change places are applied one by one', async () => {
  await follow(['items'], `insert into items (id, code) values (31, 'p'), (32, 'q')`)

  await follow(
    ['items'],
    `begin; update items set code = 't' where id = 31; update items set code = 'p' where id = 32;
     update items set code = 'q' where id = 31; commit`,
  )

  const rows = await two.serviceDb.query('select id, code from items where id in (31, 32) order by id')
  assert.deepEqual(rows, [
    { id: 31, code: 'q' },
    { id: 32, code: 'p' },
  ])
})

test('log: a transaction of many changes is applied as one, in parts', async () => {
  await follow(['items'], `insert into items (id, code, body) values (51, 'v', repeat('long', 5000)), (52, 'w', null)`)

  const changes = await follow(
    ['items'],
    `begin; insert into items (id, n) select g, 1 from generate_series(100001, 120500) g;
     update items set n = 2 where id between 100001 and 100050;
     delete from items where id > 101000;
     update items set code = 't' where id = 51; update items set code = 'v' where id = 52; update items set code = 'w' where id = 51;
     commit`,
  )

  assert.equal(changes.length, 20_500 + 50 + 19_500 + 3)
  const rows = await two.serviceDb.query(
    `select id, code, n, length(body) as length from items where id in (51, 52, 100050, 101000, 101001) order by id`,
  )
  assert.deepEqual(rows, [
    { id: 51, code: 'w', n: 0, length: 20_000 },
    { id: 52, code: 'v', n: 0, length: null },
    { id: 100_050, code: null, n: 2, length: null },
    { id: 101_000, code: null, n: 1, length: null },
  ])
})

test('log: truncate empties the table before what is written behind it', async () => {
  const changes = await follow(
    ['pairs', 'items'],
    `insert into pairs values ('gone', 1, null); truncate pairs, items; insert into pairs values ('new', 1, null)`,
  )

  assert.deepEqual(
    changes.map(({ kind, table }) => `${kind} ${table.source.name}`),
    ['insert pairs', 'truncate pairs', 'truncate items', 'insert pairs'],
  )
})

test('log: a partitioned table is one table, wherever its rows are and go', async () => {
  const changes = await follow(
    ['days'],
    `insert into days values ('2026-01-05', 1, 'a'), ('2027-01-05', 2, 'b'); insert into days_2 values ('2028-01-01', 3, 'c');
     update days set day = '2026-01-06' where id = 2; delete from days where id = 1`,
  )

  assert.equal(changes.length, 6)
  assert.ok(changes.every(({ table }) => table.source.name === 'days'))
})

test('log: a row that counts by itself beside its key is updated without what is stored apart', async () => {
  await follow(
    ['numbered'],
    `insert into numbered (id, title, body) values (1, 'a', repeat('x', 20000)), (2, 'b', 'y')`,
  )

  const changes = await follow(['numbered'], `update numbered set title = 'c'`)

  assert.equal(changes.filter(({ row }) => row?.includes(undefined)).length, 1)
})

test('log: a table without primary key moves by a declared one when its replica identity is full', async () => {
  const changes = await follow(
    ['loose'],
    `insert into loose values (1, 'x', 'n'), (2, 'y', null); update loose set note = 'm' where a = 1; delete from loose where a = 2`,
  )

  assert.deepEqual(told(changes).slice(2), [
    ['update', '1,x', ['1', 'x', 'm']],
    ['delete', '2,y', undefined],
  ])
})

test('log: generated columns and identities arrive, whatever row level security says', async () => {
  await follow(['strict'], `insert into strict (v) values ('a'), ('b'), ('c'); update strict set v = 'z' where id = 2`)

  const rows = await two.serviceDb.query('select id, v, w from strict order by id')
  assert.deepEqual(rows.slice(0, 2), [
    { id: 1, v: 'a', w: 2 },
    { id: 2, v: 'z', w: 4 },
  ])
})

test('log: what is applied to the other side does not come back, what clients write there does', async () => {
  const tables = [table('other')]
  const forward = `there_${two.shared.name}`
  const reverse = `back_${two.shared.name}`
  const start = await two.source.openLog(forward, tables)
  const startBack = await two.target.openLog(reverse, tables)
  await two.sharedDb.query('insert into other values (1)')
  await two.target.apply(forward, await readUpToNow(two.source, forward, start, tables))
  await two.serviceDb.query('insert into other values (2)')

  const back = await readUpToNow(two.target, reverse, startBack, tables)
  await two.source.apply(reverse, back)
  const there = await readUpToNow(two.source, forward, start, tables)

  const inserted = (transactions: typeof back) =>
    transactions.flatMap(({ changes }) => [...changes].map(({ row }) => row?.[0]))
  assert.deepEqual([inserted(back), inserted(there)], [['2'], ['1']])
  assert.deepEqual(await digestOf(two.target, tables), await digestOf(two.source, tables))
  await two.source.closeLog(forward)
  await two.target.closeLog(reverse)
  assert.equal(await two.target.applied(reverse), null)
})

test('log: of a service tells when a partitioned table is emptied, and lets nobody empty a part of it untold', async () => {
  const tables = [table('days')]
  const log = `emptied_${two.shared.name}`
  const owner = `owner_of_${two.service.name}`
  const from = await two.target.openLog(log, tables)
  await runOn(two.service.url, `insert into days values ('2026-01-07', 10, 'a'), ('2027-01-07', 11, 'b')`)

  await runOn(
    two.service.url,
    `create role ${owner}; create table days_3 partition of days for values from ('2026-03-01') to ('2026-04-01') partition by range (day);
     create table days_4 (like days including all); alter table days_3 owner to ${owner}; alter table days_4 owner to ${owner};
     begin; set local role ${owner}; alter table days_3 attach partition days_4 for values from ('2026-03-01') to ('2026-03-09'); commit`,
  )

  for (const part of ['days_1', 'days_2', 'days_3', 'days_4']) {
    await assert.rejects(
      runOn(two.service.url, `begin; truncate days; insert into days values ('2026-01-08', 12, 'c'); truncate ${part}`),
      { sqlstate: 'IM006', message: /public\.days_/, hint: /delete from/ },
    )
  }
  await runOn(two.service.url, `truncate days; insert into days values ('2026-01-09', 13, 'd')`)
  await runOn(two.service.url, 'begin; alter table days detach partition days_2; truncate days_2; rollback')

  const [told] = (await readUpToNow(two.target, log, from, tables)).slice(1)
  assert.deepEqual(told && [...told.changes].map(({ kind }) => kind), ['truncate', 'insert'])
  await two.target.closeLog(log)
  const left = `select tgname from pg_trigger where tgname like 'imhotep%' union all select evtname from pg_event_trigger`
  assert.deepEqual(await two.serviceDb.query(left), [])
  await runOn(two.service.url, `truncate days_1; drop table days_3; drop owned by ${owner}; drop role ${owner}`)
})

test('log: is made once, for its tables', async () => {
  const log = `once_${two.shared.name}`
  const first = await two.source.openLog(log, [table('other')])

  const again = await two.source.openLog(log, [table('other')])

  assert.equal(again, first)
  await assert.rejects(two.source.openLog(log, [table('items')]), ChangeLogTablesError)
  await two.source.closeLog(log)
  await two.source.closeLog(log)
  const reader = two.source.readLog(log, first, [table('other')], new AbortController().signal)
  await assert.rejects(reader[Symbol.asyncIterator]().next(), ChangeLogLostError)
})

test('log: two databases of a server have logs of the same name', async () => {
  await using other = await twoDatabases('create table items (id int primary key, v text)')
  await two.source.openLog('same', [table('other')])
  const from = await other.source.openLog('same', other.tables)

  await runOn(other.shared.url, `insert into items values (1, 'a')`)

  const [transaction] = await readUpToNow(other.source, 'same', from, other.tables)
  assert.deepEqual(transaction && told(transaction.changes), [['insert', undefined, ['1', 'a']]])
  await other.source.closeLog('same')
  await two.source.closeLog('same')
})

test('log: columns that come, go or change their type stop the reader', async () => {
  const alterations = {
    growing: `insert into growing values (1, 'a'); alter table growing add extra int; insert into growing values (2)`,
    resized: `insert into resized values (1, 'a'); alter table resized alter v type varchar(20); insert into resized values (2)`,
  }
  for (const [name, sql] of Object.entries(alterations)) {
    const tables = [table(name)]
    const log = `ddl_${name}_${two.shared.name}`
    const from = await two.source.openLog(log, tables)
    await runOn(two.shared.url, sql)

    await assert.rejects(readUpToNow(two.source, log, from, tables), MovedTableAlteredError)

    await two.source.closeLog(log)
  }
})

test('log: an abort ends the reader without an error, and its position moves while nobody writes', async () => {
  const log = `idle_${two.shared.name}`
  const tables = [table('other')]
  const from = await two.source.openLog(log, tables)
  const stop = new AbortController()
  const reader = two.source.readLog(log, from, tables, stop.signal)
  const positions: string[] = []

  for await (const { position } of reader) {
    positions.push(position)
    await runOn(two.shared.url, 'create table if not exists elsewhere (id int); insert into elsewhere values (1)')
    if (positions.length === 5) stop.abort()
  }

  assert.ok(positions.length >= 5)
  assert.deepEqual(
    positions,
    positions.toSorted((a, b) => two.source.comparePositions(a, b)),
  )
  await two.source.closeLog(log)
})
