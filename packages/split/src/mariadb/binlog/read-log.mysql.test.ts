import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  mariadbDatabase,
  mariadbDatabaseOn,
  needsMariadb,
  startMariadb,
  type MariadbDatabase,
} from '../../../../../tests/support/mariadb.ts'
import type { Change, LogTransaction, MovedTable, Position } from '../../model.ts'
import type { OwnedForeignKey, ServiceDatabase } from '../../side.ts'
import { mapDatabase } from '../map-database.fixture.ts'
import { comparePositions, masterPosition } from '../position.ts'
import { closing, postgresTwin } from '../postgres-twin.fixture.ts'
import { openSession } from '../session.ts'
import { openSnapshot } from '../snapshot.ts'
import { tortureRows, tortureTable } from '../torture.fixture.ts'
import { readBinlog } from './read-log.ts'

const options = { skip: needsMariadb }

async function endOfLog(source: MariadbDatabase): Promise<Position> {
  const session = await openSession(source.url)
  const position = await masterPosition(session)
  await session.close()
  return position
}

/** All transactions between two positions. */
async function readBetween(source: MariadbDatabase, tables: readonly MovedTable[], from: Position, to: Position) {
  const reader = readBinlog(source.url, { from, tables, signal: AbortSignal.timeout(20_000) })
  const read: LogTransaction[] = []
  for await (const transaction of reader) {
    if (transaction.changes.length > 0) read.push(transaction)
    if (comparePositions(transaction.position, to) >= 0) break
  }
  return read
}

async function changesOf(
  source: MariadbDatabase,
  tables: readonly MovedTable[],
  ...statements: string[]
): Promise<Change[]> {
  const from = await endOfLog(source)
  await source.run(...statements)
  const read = await readBetween(source, tables, from, await endOfLog(source))
  return read.flatMap(({ changes }) => [...changes])
}

/** Columns that differ, by key and name. */
async function differences(source: MariadbDatabase, target: ServiceDatabase, table: MovedTable): Promise<string[]> {
  await using here = closing(await openSnapshot(source.url, [table]))
  await using there = closing(await target.snapshot([table], { exact: false }))
  const rows = await there.rowDigests(table, null, null)
  const expected = await here.rowDigests(table, null, null)
  if (rows.length !== expected.length) return [`${rows.length} rows instead of ${expected.length}`]
  return expected.flatMap(({ key, columns }, row) =>
    columns.flatMap((digest, at) =>
      digest === rows[row]?.columns[at] ? [] : [`${key.join()} ${table.columns[at]?.name}`],
    ),
  )
}

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
  'readLog: gives whole transactions in the order of their commits, and nothing that was rolled back',
  options,
  async () => {
    await using source = await mariadbDatabase(
      'create table a (id int primary key, n int)',
      'create table b (id int primary key)',
    )
    const { tables } = await mapDatabase(source.url)
    const from = await endOfLog(source)
    await source.run(
      'begin',
      'insert into a values (1, 1)',
      'insert into b values (1), (2)',
      'update a set n = 2',
      'commit',
      'begin',
      'insert into a values (9, 9)',
      'rollback',
      'begin',
      'insert into a values (2, 2)',
      'savepoint s',
      'insert into a values (3, 3)',
      'rollback to s',
      'commit',
      'delete from b where id = 1',
      'truncate table b',
    )

    const read = await readBetween(source, tables, from, await endOfLog(source))

    const shown = read.map(({ changes }) =>
      [...changes].map(
        ({ kind, table, key, row }) => `${kind} ${table.source.name} ${key?.join() ?? ''}>${row?.join() ?? ''}`,
      ),
    )
    assert.deepEqual(shown, [
      ['insert a >1,1', 'insert b >1', 'insert b >2', 'update a 1>1,2'],
      ['insert a >2,2'],
      ['delete b 1>'],
      ['truncate b >'],
    ])
    assert.ok(read.every(({ committedAt }) => Math.abs(Date.now() - committedAt.getTime()) < 60_000))
  },
)

void test('readLog: goes on from any of its positions without loss or repetition', options, async () => {
  await using source = await mariadbDatabase('create table a (id int primary key)')
  const { tables } = await mapDatabase(source.url)
  const from = await endOfLog(source)
  await source.run(
    ...Array.from({ length: 10 }, (_, id) => `insert into a values (${id})`),
    'flush binary logs',
    'insert into a values (10)',
  )
  const end = await endOfLog(source)

  const all = await readBetween(source, tables, from, end)

  assert.equal(all.length, 11)
  for (const [at, { position }] of all.entries()) {
    if (at === 10) break
    const rest = await readBetween(source, tables, position, end)
    assert.deepEqual(
      rest.map(({ changes }) => [...changes][0]?.row),
      all.slice(at + 1).map(({ changes }) => [...changes][0]?.row),
    )
  }
})

void test('readLog: tells where the log is while nobody writes, and while others write', options, async () => {
  await using source = await mariadbDatabase(
    'create table a (id int primary key)',
    'create table other (id int primary key)',
  )
  const tables = (await mapDatabase(source.url)).tables.filter(({ source: { name } }) => name === 'a')
  const from = await endOfLog(source)

  const idle = await readBetween(source, tables, from, from)
  await source.run('insert into other values (1)')
  const busy = await readBetween(source, tables, from, await endOfLog(source))

  assert.deepEqual([idle, busy], [[], []])
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

void test('readLog: stops at a structure change of a moved table, not at one of others', options, async () => {
  await using source = await mariadbDatabase(
    'create table a (id int primary key)',
    'create table `o``dd` (id int primary key)',
  )
  const { tables } = await mapDatabase(source.url)
  const moved = tables.filter(({ source: { name } }) => name === 'a')

  const others = await changesOf(
    source,
    moved,
    'alter table `o``dd` add column a int',
    'create table c (a int)',
    'drop table c',
    'analyze table a',
    'insert into a values (1)',
  )
  const from = await endOfLog(source)
  await source.run(
    'insert into a values (2)',
    '/* a comment */ alter table a add column n int',
    'alter table a drop column n',
  )

  assert.equal(others.length, 1)
  await assert.rejects(readBetween(source, moved, from, await endOfLog(source)), { code: 'IMH_SPLIT_DDL' })
})

void test('readLog: refuses changes that are logged as statements, and a log that is gone', options, async () => {
  await using source = await mariadbDatabase('create table a (id int primary key)')
  const { tables } = await mapDatabase(source.url)

  await assert.rejects(
    changesOf(source, tables, `set session binlog_format = 'STATEMENT'`, 'insert into a values (1)'),
    { code: 'IMH_SPLIT_BINLOG' },
  )
  await assert.rejects(readBetween(source, tables, 'binlog.000999:4', 'binlog.000999:4'), {
    code: 'IMH_SPLIT_LOG_LOST',
  })
})

void test(
  'readLog: a statement that changes a moved table is known in every way of writing it, one that does not is passed over',
  options,
  async () => {
    await using source = await mariadbDatabase(
      'create table a (id int primary key, n int)',
      'create table b (id int primary key, n int)',
      'create table part (id int primary key, n int) partition by hash (id) partitions 2',
    )
    const tables = (await mapDatabase(source.url)).tables.filter(({ source: { name } }) => name === 'a')
    const truncated = (...statements: string[]) =>
      changesOf(source, tables, ...statements).then((changes) => changes.map(({ kind }) => kind))

    for (const statements of [
      ['set statement lock_wait_timeout = 5 for truncate table a'],
      [`set statement lock_wait_timeout = 5, sql_mode = "" for truncate table ${source.name} . a`],
      [`set session sql_mode = 'ANSI_QUOTES'`, 'truncate table "a"'],
      ['truncate`a`'],
      ['/*!40000 truncate table a */'],
      ['truncate -- all of it\n /* really */ a'],
    ]) {
      assert.deepEqual(await truncated(...statements), ['truncate'], statements.join())
    }
    assert.deepEqual(
      await truncated(
        'analyze table a',
        'optimize table a',
        'repair table a',
        'check table a',
        'flush tables a',
        `grant select on ${source.name}.a to root@localhost`,
        'create or replace view v as select * from a',
        'alter view v as select id from a',
        'drop view v',
        'create temporary table a (id int)',
        'drop temporary table a',
        'drop tables if exists b',
        'create trigger t before insert on a for each row set new.n = 1',
        'drop trigger t',
        `create event e on schedule every 1 year do delete from a`,
        'drop event e',
        'create procedure p() truncate a',
        'drop procedure p',
        'create sequence s',
        'drop sequence s',
        '/*!40000 alter table a disable keys */',
        'alter table a enable keys',
        'rename table part to parts',
        'create table c (id int primary key, a int, foreign key (a) references a (id))',
        'drop table c',
      ),
      [],
    )
    for (const statements of [
      ['set statement lock_wait_timeout = 5 for alter table a add column m int'],
      ['/*!40000 alter table a drop column m */'],
      [`set session sql_mode = 'ANSI_QUOTES'`, `alter table "${source.name}"."a" comment 'x'`],
      ['alter/**/table a comment "y"'],
      ['alter table parts exchange partition p0 with table a'],
      ['create or replace table a (id int primary key, n int)'],
      ['drop tables a'],
      [`create or replace database ${source.name}`],
    ]) {
      await assert.rejects(changesOf(source, tables, ...statements), { code: 'IMH_SPLIT_DDL' }, statements.join())
    }
  },
)

void test(
  'readLog: refuses rows that are logged as statements from any database, and by functions',
  options,
  async () => {
    await using source = await mariadbDatabase(
      'create table a (id int primary key, t varchar(100))',
      `create function f() returns int deterministic modifies sql data begin insert into a values (99, ''); return 1; end`,
    )
    await using other = await mariadbDatabase('create table o (id int primary key, t varchar(100))')
    const { tables } = await mapDatabase(source.url)
    const asStatement = `set session binlog_format = 'STATEMENT'`

    assert.deepEqual(
      await changesOf(
        source,
        tables,
        asStatement,
        `use ${other.name}`,
        `insert into o values (1, 'root@${source.name}.a')`,
      ),
      [],
    )
    for (const statement of [
      `insert into ${source.name}.a values (1, '')`,
      `set statement max_statement_time = 9 for update o, ${source.name} . a set a.t = 'x', o.t = 'it''s \\' it'`,
      `replace o select * from \`${source.name}\`.a`,
      `analyze delete from ${source.name}.a`,
      `do ${source.name}.f()`,
    ]) {
      await assert.rejects(
        changesOf(source, tables, asStatement, `use ${other.name}`, statement),
        { code: 'IMH_SPLIT_BINLOG', message: /is logged as a statement/ },
        statement,
      )
    }
  },
)

void test('readLog: refuses a transaction that is rolled back in part, but stands in the log', options, async () => {
  await using source = await mariadbDatabase('create table a (id int primary key)')
  await using other = await mariadbDatabase(
    'create table o (id int primary key) engine = MyISAM',
    'create table i (id int auto_increment primary key)',
  )
  const { tables } = await mapDatabase(source.url)
  const rolledBack = (...statements: string[]) =>
    changesOf(
      source,
      tables,
      `use ${other.name}`,
      'begin',
      'insert into i values ()',
      'savepoint a',
      ...statements,
      'insert into o select ifnull(max(id), 0) + 1 from o',
      'rollback to a',
      'commit',
    )

  assert.deepEqual(await rolledBack(), [])
  await assert.rejects(rolledBack(`insert into ${source.name}.a values (1)`), { code: 'IMH_SPLIT_BINLOG' })
})

void test('readLog: knows names in any case where the server does', options, async () => {
  const server = await startMariadb({ lower_case_table_names: '1' })
  try {
    await using source = await mariadbDatabaseOn(server, 'create table Ab (id int primary key)')
    const { tables } = await mapDatabase(source.url)

    const changes = await changesOf(source, tables, 'insert into AB values (1)', 'truncate AB')

    assert.deepEqual(
      changes.map(({ kind }) => kind),
      ['insert', 'truncate'],
    )
    await assert.rejects(
      changesOf(source, tables, 'use mysql', `alter table ${source.name.toUpperCase()}.aB comment 'x'`),
      { code: 'IMH_SPLIT_DDL' },
    )
  } finally {
    await server.remove()
  }
})

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

void test('readLog: an exact snapshot holds everything up to its position and nothing behind it', options, async () => {
  await using source = await mariadbDatabase(
    'create table a (id int primary key, n int not null)',
    'insert into a values (0, 0)',
  )
  const { tables } = await mapDatabase(source.url)
  const table = tables[0] as MovedTable
  await using twin = await postgresTwin(tables)
  const from = await endOfLog(source)
  await twin.database.query(`insert into a values (0, 0)`)
  const stop = new AbortController()
  const committed = { count: 0 }
  const untilCommitted = async (count: number) => {
    while (committed.count < count) await new Promise((resolve) => setTimeout(resolve, 5))
  }
  const writers = [1, 2, 3].map(async (n) => {
    const session = await openSession(source.url)
    for (let id = n; !stop.signal.aborted; id += 3) {
      await session.run('begin')
      await session.run(`insert into a values (${id}, 0)`)
      await session.run(`update a set n = n + 1 where id in (0, ${id})`)
      await session.run('commit')
      committed.count++
    }
    await session.close()
  })
  await untilCommitted(20)

  await using snapshot = closing(await openSnapshot(source.url, tables))
  const digest = await snapshot.digestRange(table, null, null)
  await untilCommitted(committed.count + 20)
  stop.abort()
  await Promise.all(writers)
  const upto = (await readBetween(source, tables, from, await endOfLog(source))).filter(
    ({ position }) => comparePositions(position, snapshot.position) <= 0,
  )
  await twin.side.apply('log', upto)

  await using there = closing(await twin.side.snapshot(tables, { exact: false }))
  assert.ok(upto.length > 10)
  assert.deepEqual(await there.digestRange(table, null, null), digest)
})
