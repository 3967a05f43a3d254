import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { mariadbDatabase } from '../../../../../tests/support/mariadb.ts'
import type { MovedTable } from '../../model.ts'
import type { OwnedForeignKey } from '../../side.ts'
import { mapDatabase } from '../map-database.fixture.ts'
import { closing, postgresTwin } from '../postgres-twin.fixture.ts'
import { openSnapshot } from '../snapshot.ts'
import { tortureRows, tortureTable } from '../torture.fixture.ts'
import { changesOf, differences, endOfLog, options, readBetween } from './read-log.fixture.ts'

void test('readLog: rows at the edge of every type arrive as the snapshot has them', options, async () => {
  await using source = await mariadbDatabase(tortureTable, ...tortureRows())
  const { tables } = await mapDatabase(source.url)
  const table = tables[0] as MovedTable
  await using twin = await postgresTwin(tables)
  await source.run('delete from torture')
  const from = await endOfLog(source)

  await source.run(...tortureRows())
  await source.run(
    `update torture set v = concat(ifnull(left(v, 100), ''), 'é'), at6 = '2026-01-01 00:00:00.000010' where id % 3 = 0`,
  )
  await source.run('delete from torture where id % 7 = 0')
  await source.run('update torture set id = id + 100000 where id % 5 = 0')
  await twin.side.apply('log', await readBetween(source, tables, from, await endOfLog(source)))

  assert.deepEqual(await differences(source, twin.side, table), [])
})

void test(
  'readLog: dates that PostgreSQL does not have become what the policy says, as in the snapshot',
  options,
  async () => {
    const rows = ['0000-00-00', '2024-00-10', '2024-02-31', '2023-02-29', '0000-05-05', '2024-02-29', '1999-12-31'].map(
      (day, id) =>
        `insert into a values (${id}, '${day}', '${day} 10:00:00', '${day} 10:00:00.500', ${id > 4 ? `'${day} 10:00:00.25'` : '0'})`,
    )
    for (const zeroDate of ['null', { sentinel: '1900-01-01' }] as const) {
      await using source = await mariadbDatabase(
        'create table a (id int primary key, d date not null, t datetime, t3 datetime(3) not null, s timestamp(3) null)',
      )
      const { tables } = await mapDatabase(source.url, { zeroDate })
      const table = tables[0] as MovedTable
      await using twin = await postgresTwin(tables)
      await using logged = await postgresTwin(tables)
      const from = await endOfLog(source)
      await source.run(`set session sql_mode = 'ALLOW_INVALID_DATES'`, ...rows)

      await logged.side.apply('log', await readBetween(source, tables, from, await endOfLog(source)))
      await using snapshot = closing(await openSnapshot(source.url, tables))
      await twin.side.load(table, await snapshot.chunk(table, null, 100))

      assert.deepEqual(await differences(source, twin.side, table), [])
      assert.deepEqual(await differences(source, logged.side, table), [])
      const [zeros] = await twin.database.query<{ n: number }>(
        `select count(*)::int as n from a where ${zeroDate === 'null' ? 'd is null' : `d = '1900-01-01' and t3 = '1900-01-01'`}`,
      )
      assert.equal(zeros?.n, 5)
    }
  },
)

void test('readLog: any values of any types arrive as the snapshot has them', options, async () => {
  await using source = await mariadbDatabase(tortureTable, ...tortureRows())
  const { tables } = await mapDatabase(source.url)
  const table = tables[0] as MovedTable
  await using twin = await postgresTwin(tables)
  await source.run('truncate torture')
  const hex = (max: number) =>
    fc.uint8Array({ maxLength: max }).map((bytes) => `x'${Buffer.from(bytes).toString('hex')}'`)
  const text = (max: number) =>
    fc
      .string({ unit: 'binary', maxLength: max })
      .map((value) => `_utf8mb4 x'${Buffer.from(value.replaceAll('\0', '')).toString('hex')}'`)
  const int = (bits: number, unsigned: boolean) =>
    fc
      .bigInt({ min: unsigned ? 0n : -(2n ** BigInt(bits - 1)), max: 2n ** BigInt(unsigned ? bits : bits - 1) - 1n })
      .map(String)
  const decimal = (whole: number, scale: number) =>
    fc
      .tuple(
        fc.boolean(),
        fc.stringMatching(new RegExp(`^[0-9]{1,${whole}}$`)),
        fc.stringMatching(new RegExp(`^[0-9]{1,${scale}}$`)),
      )
      .map(([minus, left, right]) => `${minus ? '-' : ''}${left}.${right}`)
  const time = (max: number) =>
    fc
      .tuple(
        fc.integer({ min: 0, max: max - 1 }),
        fc.integer({ min: 0, max: 59 }),
        fc.integer({ min: 0, max: 59 }),
        fc.integer({ min: 0, max: 999_999 }),
      )
      .map(([h, m, s, us]) => `${h}:${m}:${s}.${String(us).padStart(6, '0')}`)
  const moment = fc
    .date({ min: new Date('1970-01-02T00:00:00Z'), max: new Date('2038-01-01T00:00:00Z'), noInvalidDate: true })
    .map((date) => date.toISOString().replace('T', ' ').replace('Z', ''))
  const quoted = <T>(arbitrary: fc.Arbitrary<T>) => arbitrary.map((value) => `'${String(value)}'`)
  const columns: Readonly<Record<string, fc.Arbitrary<string>>> = {
    tiny: int(8, false),
    tinyu: int(8, true),
    small: int(16, false),
    smallu: int(16, true),
    medium: int(24, false),
    mediumu: int(24, true),
    plain: int(32, false),
    plainu: int(32, true),
    big: int(64, false),
    bigu: int(64, true),
    amount: decimal(8, 4),
    huge: decimal(35, 30),
    single: fc.float({ noNaN: true, noDefaultInfinity: true }).map(String),
    twice: fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
    bits: int(13, true),
    bit64: int(64, true),
    at3: quoted(moment),
    at6: fc.tuple(moment, fc.integer({ min: 0, max: 999 })).map(([at, us]) => `'${at}${String(us).padStart(3, '0')}'`),
    stamp6: quoted(moment),
    clock6: quoted(time(24)),
    span: fc.tuple(fc.boolean(), time(838)).map(([minus, value]) => `'${minus ? '-' : ''}${value}'`),
    v: text(50),
    t: text(300),
    wide: text(30),
    vb: hex(300),
    b: hex(4),
    bl: hex(500),
    u: quoted(fc.uuid()),
    ip: quoted(fc.ipV6()),
    js: fc.json({ stringUnit: 'grapheme' }).map((value) => `_utf8mb4 x'${Buffer.from(value).toString('hex')}'`),
    tags: fc.subarray(['a', 'b c', 'q"uote']).map((labels) => `'${labels.join(',')}'`),
  }
  const row = fc.record(
    Object.fromEntries(Object.entries(columns).map(([name, value]) => [name, fc.option(value, { nil: 'null' })])),
  )
  const rows = fc.sample(row, { numRuns: 300, seed: Number(process.env['SEED'] ?? 42) })
  const from = await endOfLog(source)

  await source.run(
    `set session sql_mode = ''`,
    ...rows.map(
      (values) =>
        `insert into torture (${Object.keys(values).join(', ')}) values (${Object.values(values).join(', ')})`,
    ),
  )
  await twin.side.apply('log', await readBetween(source, tables, from, await endOfLog(source)))

  assert.deepEqual(await differences(source, twin.side, table), [])
})

void test(
  'readLog: numbers that came to a column of truth values stay numbers, which PostgreSQL refuses',
  options,
  async () => {
    await using source = await mariadbDatabase(
      'create table a (id int primary key, f tinyint(1), u tinyint(1) unsigned not null, b bit(1))',
      `insert into a values (1, 0, 1, b'1'), (2, 1, 0, b'0'), (3, null, 0, null)`,
    )
    const { tables } = await mapDatabase(source.url)
    const table = tables[0] as MovedTable
    await using twin = await postgresTwin(tables)
    await using snapshot = closing(await openSnapshot(source.url, tables))
    await twin.side.load(table, await snapshot.chunk(table, null, 100))
    assert.deepEqual(await differences(source, twin.side, table), [])
    const from = await endOfLog(source)

    await source.run(`insert into a values (4, 1, 0, b'1'), (5, 2, 1, b'0'), (6, -1, 200, null)`)
    const read = await readBetween(source, tables, from, await endOfLog(source))

    assert.deepEqual(
      read.flatMap(({ changes }) => [...changes].map(({ row }) => row?.slice(1))),
      [
        ['t', 'f', 't'],
        ['2', 't', 'f'],
        ['-1', '200', null],
      ],
    )
    await assert.rejects(twin.side.apply('log', read), { sqlstate: '22P02' })
    await using later = closing(await openSnapshot(source.url, tables))
    await twin.database.query('delete from a')
    await assert.rejects(twin.side.load(table, await later.chunk(table, null, 100)), { sqlstate: '22P02' })
  },
)

void test('readLog: an insert without all its columns is refused, an update is not', options, async () => {
  await using source = await mariadbDatabase(
    `create table a (id int primary key, n int default 5, t text, g int as (n + 1) virtual, s int as (n + 2) stored)`,
  )
  const { tables } = await mapDatabase(source.url)
  const table = tables[0] as MovedTable
  await using twin = await postgresTwin(tables)
  const minimal = `set session binlog_row_image = 'MINIMAL'`
  const from = await endOfLog(source)

  await source.run(
    `insert into a (id, t) values (1, 'x'), (2, 'y'), (3, null)`,
    minimal,
    'update a set n = 6 where id = 1',
    'update a set id = 20 where id = 2',
    'delete from a where id = 3',
    `insert into a (id, n, t) values (4, 4, 'z')`,
    `set session binlog_row_image = 'NOBLOB'`,
    'update a set n = 7 where id = 20',
  )
  await twin.side.apply('log', await readBetween(source, tables, from, await endOfLog(source)))

  assert.deepEqual(await differences(source, twin.side, table), [])
  for (const image of ['MINIMAL', 'NOBLOB']) {
    await source.run('delete from a')
    await assert.rejects(
      changesOf(source, tables, `set session binlog_row_image = '${image}'`, 'insert into a (id) values (1)'),
      {
        code: 'IMH_SPLIT_BINLOG',
        message: /without all its columns \(binlog_row_image\)/,
        hint: /binlog_row_image=FULL/,
      },
    )
  }
})

void test('readLog: what is deleted under foreign_key_checks = 0 takes no rows along', options, async () => {
  await using source = await mariadbDatabase(
    'create table p (id int primary key)',
    'create table c (id int primary key, p int, foreign key (p) references p (id) on delete cascade on update cascade)',
    'create table n (id int primary key, p int, foreign key (p) references p (id) on delete set null on update set null)',
  )
  const { tables } = await mapDatabase(source.url)
  const inPublic = (name: string) => ({ schema: 'public', name })
  const keyTo = (table: string, action: OwnedForeignKey['onDelete']): OwnedForeignKey => ({
    name: table,
    table: inPublic(table),
    columns: ['p'],
    references: { ...inPublic('p'), columns: ['id'] },
    onDelete: action,
    onUpdate: action,
  })
  await using twin = await postgresTwin(tables, [keyTo('c', 'cascade'), keyTo('n', 'set null')])
  const from = await endOfLog(source)

  await source.run(
    ...['p values (1), (2), (3), (4), (5)', 'c select id, id from p', 'n select id, id from p'].map(
      (rows) => `insert into ${rows}`,
    ),
    'set foreign_key_checks = 0',
    'delete from p where id = 1',
    'insert into p values (1)',
    'replace into p values (2)',
    'update p set id = 30 where id = 3',
    'set foreign_key_checks = 1',
    'delete from p where id = 4',
    'update p set id = 50 where id = 5',
    // so many that they are packed
    'begin',
    'set foreign_key_checks = 0',
    'delete from p where id = 2',
    'insert into p select seq from seq_1000_to_21000',
    'insert into p values (2)',
    'commit',
  )
  await twin.side.apply('log', await readBetween(source, tables, from, await endOfLog(source)))

  assert.deepEqual(await twin.database.query('select * from c order by id'), [
    { id: 1, p: 1 },
    { id: 2, p: 2 },
    { id: 3, p: 3 },
    { id: 5, p: 50 },
  ])
  assert.deepEqual(await twin.database.query('select p from n order by id'), [
    { p: 1 },
    { p: 2 },
    { p: 3 },
    { p: null },
    { p: null },
  ])
  for (const table of tables) assert.deepEqual(await differences(source, twin.side, table), [])
})

void test('readLog: reads compressed events', options, async () => {
  await using source = await mariadbDatabase('create table a (id int primary key, t text)')
  const { tables } = await mapDatabase(source.url)
  const long = 'x'.repeat(5000)

  await source.run('set global log_bin_compress = on')
  try {
    const changes = await changesOf(
      source,
      tables,
      `insert into a values (1, '${long}')`,
      `update a set t = concat(t, 'y')`,
      'delete from a',
    )
    assert.deepEqual(
      changes.map(({ kind, row }) => [kind, row?.[1]]),
      [
        ['insert', long],
        ['update', `${long}y`],
        ['delete', undefined],
      ],
    )
  } finally {
    await source.run('set global log_bin_compress = off')
  }
})
