import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mariadbDatabase, needsMariadb, type MariadbDatabase } from '../../../../tests/support/mariadb.ts'
import { differentColumns } from '../different-columns.fixture.ts'
import type { Change, LogTransaction, MovedTable, Row } from '../model.ts'
import { mapDatabase } from './map-database.fixture.ts'
import { openMariadbSide } from './open-mariadb-side.ts'
import { closing, postgresTwin } from './postgres-twin.fixture.ts'
import { openSession } from './session.ts'
import { tortureRows, tortureTable } from './torture.fixture.ts'

const options = { skip: needsMariadb }

function transaction(position: string, ...changes: Change[]): LogTransaction {
  return { position, committedAt: new Date(0), changes }
}

async function read(source: MariadbDatabase, sql: string): Promise<(string | null)[][]> {
  const session = await openSession(source.url)
  const rows = await session.rows(sql)
  await session.close()
  return rows
}

void test('apply: rows as PostgreSQL prints them are stored as they were', options, async () => {
  await using source = await mariadbDatabase(tortureTable, ...tortureRows())
  await using back = await mariadbDatabase(tortureTable)
  const { tables } = await mapDatabase(source.url)
  const table = tables[0] as MovedTable
  await using twin = await postgresTwin(tables)
  await using from = closing(await openMariadbSide(source.url))
  await using to = closing(await openMariadbSide(back.url))
  await using snapshot = closing(await from.snapshot(tables, { exact: true }))
  await twin.side.load(table, await snapshot.chunk(table, null, 1000))
  const texts = table.columns
    .map(({ name }) => `case when "${name}" is null then null else concat("${name}") end`)
    .join(', ')
  const moved: MovedTable = { ...table, source: { schema: back.name, name: 'torture' } }
  const session = await twin.database.dedicated()
  await session.script(`set timezone = 'UTC'`)
  const rows = await session.query<{ row: Row }>(`select array[${texts}] as row from torture order by id`)
  await session.release()

  await to.apply('log', [
    transaction('0/1', ...rows.map(({ row }): Change => ({ table: moved, kind: 'insert', row }))),
    transaction(
      '0/2',
      ...rows.map(({ row }): Change => ({ table: moved, kind: 'update', key: [row[0] as string], row })),
    ),
  ])

  await using copied = closing(await to.snapshot([moved], { exact: false }))
  assert.deepEqual(
    differentColumns(table, await snapshot.rowDigests(table, null, null), await copied.rowDigests(moved, null, null)),
    [],
  )
  assert.equal(await to.applied('log'), '0/2')
})

void test('apply: a log read twice does no harm, and what is missing for an update is made', options, async () => {
  await using source = await mariadbDatabase(
    'create table a (id int primary key, n int, code varchar(10))',
    `insert into a values (1, 1, 'x')`,
  )
  const table = (await mapDatabase(source.url)).tables[0] as MovedTable
  await using side = closing(await openMariadbSide(source.url))
  const log = [
    transaction(
      '0/1',
      { table, kind: 'insert', row: ['1', '5', 'x'] },
      { table, kind: 'insert', row: ['2', '2', 'y'] },
    ),
    transaction(
      '0/2',
      { table, kind: 'update', key: ['2'], row: ['3', '3', 'y'] },
      { table, kind: 'delete', key: ['1'] },
    ),
    transaction(
      '0/3',
      { table, kind: 'update', key: ['9'], row: ['9', null, null] },
      { table, kind: 'insert', row: ['0', '0', ''] },
    ),
  ]

  await side.apply('log', log)
  const once = await read(source, 'select * from a order by id')
  await side.apply('log', log)

  assert.deepEqual(once, [
    ['0', '0', ''],
    ['3', '3', 'y'],
    ['9', null, null],
  ])
  assert.deepEqual(await read(source, 'select * from a order by id'), once)
})

void test('apply: a change that is refused takes everything back and shows no value', options, async () => {
  await using source = await mariadbDatabase(
    'create table a (id int primary key, code varchar(3) unique)',
    `insert into a values (1, 'abc')`,
  )
  const table = (await mapDatabase(source.url)).tables[0] as MovedTable
  await using side = closing(await openMariadbSide(source.url))
  const refused = (row: Row) =>
    side.apply('log', [transaction('0/1', { table, kind: 'insert', row: ['5', null] }, { table, kind: 'insert', row })])

  for (const row of [
    ['2', 'abc'],
    ['3', 'secret'],
  ]) {
    await assert.rejects(refused(row), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'IMH_SPLIT_APPLY')
      assert.doesNotMatch(JSON.stringify([error.message, error.cause]), /abc|secret/)
      return true
    })
  }
  assert.deepEqual(await read(source, 'select id from a'), [['1']])
  assert.equal(await side.applied('log'), null)
})

void test(
  'apply: what is refused in a late part of a transaction takes back the parts before it',
  options,
  async () => {
    await using source = await mariadbDatabase('create table a (id int primary key, code varchar(9) unique)')
    const table = (await mapDatabase(source.url)).tables[0] as MovedTable
    await using side = closing(await openMariadbSide(source.url))
    const inserts = Array.from({ length: 21_000 }, (_, at): Change => {
      return { table, kind: 'insert', row: [String(at), `c${at}`] }
    })
    const twice: Change = { table, kind: 'insert', row: ['21000', 'c0'] }

    await assert.rejects(side.apply('log', [transaction('0/1', ...inserts, twice)]), { code: 'IMH_SPLIT_APPLY' })
    assert.deepEqual(await read(source, 'select count(*) from a'), [['0']])
    await side.apply('log', [transaction('0/1', ...inserts)])

    assert.deepEqual(await read(source, 'select count(*), max(id) from a'), [['21000', '20999']])
  },
)

void test('apply: keeps zero dates, zero keys and wrong labels that the table held before', options, async () => {
  await using source = await mariadbDatabase(
    `set session sql_mode = 'NO_AUTO_VALUE_ON_ZERO'`,
    `create table a (id int auto_increment primary key, born date not null, seen datetime, kind enum('x', 'y'))`,
    `set session sql_mode = 'NO_AUTO_VALUE_ON_ZERO'`,
  )
  const table = (await mapDatabase(source.url, { zeroDate: 'null' })).tables[0] as MovedTable
  await using side = closing(await openMariadbSide(source.url))

  await side.apply('log', [transaction('0/1', { table, kind: 'insert', row: ['0', null, null, ''] })])

  assert.deepEqual(await read(source, 'select id, born, seen, kind + 0 from a'), [['0', '0000-00-00', null, '0']])
})

void test('readLog: passes over what apply wrote, and gives what others write', options, async () => {
  await using source = await mariadbDatabase('create table a (id int primary key)')
  const tables = (await mapDatabase(source.url)).tables
  const table = tables[0] as MovedTable
  await using side = closing(await openMariadbSide(source.url))
  const from = await side.openLog('forward', tables)

  await side.apply('reverse', [transaction('0/1', { table, kind: 'insert', row: ['1'] })])
  await source.run('insert into a values (2)')
  await side.apply('reverse', [transaction('0/1', { table, kind: 'insert', row: ['1'] })])
  const end = await side.position()
  const rows: unknown[] = []
  for await (const { position, changes } of side.readLog('forward', from, tables, AbortSignal.timeout(10_000))) {
    rows.push(...[...changes].map(({ row }) => row))
    if (side.comparePositions(position, end) >= 0) break
  }

  assert.deepEqual(rows, [['2']])
  assert.equal(await side.openLog('forward', tables), from)
})
