import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mariadbDatabase, needsMariadb } from '../../../../tests/support/mariadb.ts'
import { differentColumns } from '../different-columns.fixture.ts'
import type { Key, MovedTable } from '../model.ts'
import type { Snapshot } from '../side.ts'
import { mapDatabase } from './map-database.fixture.ts'
import { closing, postgresTwin } from './postgres-twin.fixture.ts'
import { openSession } from './session.ts'
import { openSnapshot } from './snapshot.ts'
import { tortureRows, tortureTable } from './torture.fixture.ts'

const options = { skip: needsMariadb }

async function walk(snapshot: Snapshot, table: MovedTable, limit: number) {
  const ranges = []
  for (let after: Key | null = null; ;) {
    const range = await snapshot.digestNext(table, after, limit)
    ranges.push(range)
    if (range.rows < limit) return ranges
    after = range.last
  }
}

void test(
  'snapshot: values at the edge of every type arrive as they are, proven by equal digests',
  options,
  async () => {
    await using source = await mariadbDatabase(tortureTable, ...tortureRows())
    const { tables } = await mapDatabase(source.url)
    const table = tables[0] as MovedTable
    await using twin = await postgresTwin(tables)
    await using snapshot = closing(await openSnapshot(source.url, tables))

    for (let last: Key | null = null; ;) {
      const chunk = await snapshot.chunk(table, last, 50)
      await twin.side.load(table, chunk)
      if (chunk.rows < 50) break
      last = chunk.last
    }

    await using copied = closing(await twin.side.snapshot(tables, { exact: false }))
    const there = await copied.rowDigests(table, null, null)
    assert.deepEqual(differentColumns(table, await snapshot.rowDigests(table, null, null), there), [])
    assert.equal(there.length, tortureRows().length)
    assert.deepEqual(await walk(snapshot, table, 20), await walk(copied, table, 20))
  },
)

void test('snapshot: keys of any type are walked in the same steps on both sides', options, async () => {
  const words = [
    '',
    'a',
    'A',
    'ä',
    'z',
    'Z',
    '10',
    '9',
    ' a',
    'é',
    'ب',
    '😀',
    'a-b',
    'aa',
    'a b',
    "it's",
    'back\\slash',
    'tab\t',
  ]
  await using source = await mariadbDatabase(
    'create table words (word varchar(40) collate utf8mb4_bin not null, kind enum("z", "a", "m") not null, at datetime(3) not null, primary key (word, kind, at))',
    'create table codes (code varbinary(16) primary key, note text)',
    'create table ids (id uuid primary key, n decimal(20,4))',
    'create table texts (id char(36) primary key, n int)',
    ...words.flatMap((word) =>
      ['z', 'a', 'm'].map(
        (kind, at) =>
          `insert into words values ('${word.replace(/['\\]/g, '\\$&')}', '${kind}', '2026-11-26 10:00:00.${at}5')`,
      ),
    ),
    ...['00', '0001', 'ff', '7f5c', ''].map((hex) => `insert into codes values (x'${hex}', 'n')`),
    ...Array.from({ length: 30 }, (_, n) => `insert into texts values (uuid(), ${n})`),
    ...Array.from({ length: 30 }, (_, n) => `insert into ids values (uuid(), ${n}.5)`),
  )
  const { tables } = await mapDatabase(source.url)
  await using twin = await postgresTwin(tables)
  await using snapshot = closing(await openSnapshot(source.url, tables))
  for (const table of tables) {
    for (let last: Key | null = null; ;) {
      const chunk = await snapshot.chunk(table, last, 4)
      await twin.side.load(table, chunk)
      if (chunk.last === null) break
      last = chunk.last
    }
  }

  await using copied = closing(await twin.side.snapshot(tables, { exact: false }))

  for (const table of tables) assert.deepEqual(await walk(snapshot, table, 4), await walk(copied, table, 4))
})

void test(
  'snapshot: stays as it is while others write, and its position is the end of what it holds',
  options,
  async () => {
    await using source = await mariadbDatabase(
      'create table counters (id int primary key, n int not null)',
      'insert into counters values (1, 0)',
    )
    const { tables } = await mapDatabase(source.url)
    const table = tables[0] as MovedTable
    const writer = await openSession(source.url)
    const stop = new AbortController()
    const writing = (async () => {
      for (let n = 2; !stop.signal.aborted; n++) await writer.run(`insert into counters values (${n}, ${n})`)
    })()

    await using snapshot = closing(await openSnapshot(source.url, tables))
    const first = await snapshot.digestRange(table, null, null)
    await new Promise((resolve) => setTimeout(resolve, 50))
    const second = await snapshot.digestRange(table, null, null)
    stop.abort()
    await writing
    await writer.close()

    assert.deepEqual(second, first)
  },
)

void test('snapshot: rows too long for one answer of the server have the same digest', options, async () => {
  await using source = await mariadbDatabase(
    'create table notes (id int primary key, body varchar(15000))',
    `insert into notes select seq, repeat('x', 15000) from seq_1_to_1200`,
  )
  const { tables } = await mapDatabase(source.url)
  const table = tables[0] as MovedTable
  await using twin = await postgresTwin(tables)
  await using snapshot = closing(await openSnapshot(source.url, tables))
  await twin.side.load(table, await snapshot.chunk(table, null, 1200))
  await using copied = closing(await twin.side.snapshot(tables, { exact: false }))

  assert.deepEqual(await snapshot.digestRange(table, null, null), await copied.digestRange(table, null, null))
})

void test('snapshot: digests of ranges are those of PostgreSQL, however the rows are stored', options, async () => {
  const many = Array.from({ length: 60 }, (_, at) => `c${at} int`)
  await using source = await mariadbDatabase(
    `create table parts (id int primary key, note varchar(20)) partition by hash (id) partitions 4`,
    `create table falling (id int, note varchar(20), primary key (id desc))`,
    `create table pairs (a int, b char(2) collate utf8mb4_bin, note varchar(20), primary key (b, a))`,
    `create table wide (id int primary key, ${many.join(', ')})`,
    ...['parts', 'falling'].map(
      (name) => `insert into ${name} select seq, if(seq % 3 = 0, null, seq) from seq_1_to_500`,
    ),
    `insert into pairs select seq, char(97 + seq % 7, 110 - seq % 5), null from seq_1_to_500`,
    `insert into wide (id, c0, c49, c59) select seq, if(seq % 2, 1, null), if(seq % 3, 1, null), if(seq % 5, 1, null) from seq_1_to_500`,
  )
  const { tables } = await mapDatabase(source.url)
  await using twin = await postgresTwin(tables)
  await using snapshot = closing(await openSnapshot(source.url, tables))
  for (const table of tables) await twin.side.load(table, await snapshot.chunk(table, null, 1000))
  await using copied = closing(await twin.side.snapshot(tables, { exact: false }))

  for (const table of tables) {
    const ranges = await walk(snapshot, table, 200)
    assert.deepEqual(
      ranges.map(({ rows }) => rows),
      [200, 200, 100],
    )
    assert.deepEqual(await walk(copied, table, 200), ranges, table.source.name)
  }
})

void test('snapshot: a table that was read can be altered at once, and reading on says so', options, async () => {
  await using source = await mariadbDatabase(
    'create table a (id int primary key, n int)',
    'create table b (id int primary key)',
    'insert into a values (1, 1), (2, 2), (3, 3)',
    'insert into b values (1)',
  )
  const { tables } = await mapDatabase(source.url)
  const [a, b] = ['a', 'b'].map((name) => tables.find(({ source: own }) => own.name === name) as MovedTable)
  if (!a || !b) throw new Error('no tables')
  await using snapshot = closing(await openSnapshot(source.url, tables))
  await using other = closing(await openSession(source.url, ['lock_wait_timeout = 1']))
  const first = await snapshot.chunk(a, null, 2)
  await snapshot.digestNext(a, null, 10)
  await snapshot.rowDigests(a, null, null)

  await other.run('insert into b values (2)')
  await other.run('alter table a drop column n')

  await assert.rejects(snapshot.chunk(a, first.last, 2), { code: 'IMH_SPLIT_DDL' })
  assert.equal((await snapshot.chunk(b, null, 10)).rows, 1)
})

void test('snapshot: of a table that was rebuilt or emptied a new one can be read', options, async () => {
  await using source = await mariadbDatabase(
    'create table a (id int primary key, n int)',
    'create table b (id int primary key)',
    'insert into a values (1, 1), (2, 2), (3, 3)',
    'insert into b values (1)',
  )
  const { tables } = await mapDatabase(source.url)
  const [a, b] = ['a', 'b'].map((name) => tables.find(({ source: own }) => own.name === name) as MovedTable)
  if (!a || !b) throw new Error('no tables')
  for (const statement of ['optimize table a', 'alter table a force', 'truncate table a']) {
    await using snapshot = closing(await openSnapshot(source.url, tables))
    const { last } = await snapshot.chunk(a, null, 2)
    await source.run(statement)

    const refused = { code: 'IMH_SPLIT_SNAPSHOT', exitCode: 2, hint: /run it again/ }
    await assert.rejects(snapshot.chunk(a, last, 2), refused, statement)
    await assert.rejects(snapshot.digestNext(a, null, 2), refused, statement)
    assert.equal((await snapshot.chunk(b, null, 10)).rows, 1)
    await using next = closing(await openSnapshot(source.url, tables))
    assert.equal((await next.chunk(a, null, 10)).rows, statement.startsWith('truncate') ? 0 : 3)
  }
})

void test(
  'chunk: ends early where rows are far longer than those before, and no row is left out',
  options,
  async () => {
    const fill = (table: string, rows: number, bytes: number) =>
      `insert into ${table} select seq, repeat('x', ${bytes}) from seq_1_to_${rows}`
    await using source = await mariadbDatabase(
      'create table scans (id int primary key, body longtext)',
      'create table pages (id int primary key, body text)',
      fill('scans', 75, 1_000_000),
      fill('pages', 1250, 60_000),
    )
    const { tables } = await mapDatabase(source.url)
    await using snapshot = closing(await openSnapshot(source.url, tables))

    for (const [table, all] of [...tables].map((one) => [one, one.source.name === 'scans' ? 75 : 1250] as const)) {
      let rows = 0
      for (let last: Key | null = null; ;) {
        const chunk = await snapshot.chunk(table, last, 20_000)
        assert.ok(chunk.data.length < 69e6, `${chunk.rows} rows in one chunk`)
        if (chunk.last === null) break
        assert.equal(chunk.last[0], String((rows += chunk.rows)))
        last = chunk.last
      }
      assert.equal(rows, all)
    }
  },
)
