import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createConnection } from 'mysql2/promise'
import { mariadbDatabase, mariadbDatabaseOn, startMariadb } from '../../../../../tests/support/mariadb.ts'
import type { MovedTable } from '../../model.ts'
import { mapDatabase } from '../map-database.fixture.ts'
import { findObstacles } from '../obstacles.ts'
import { postgresTwin } from '../postgres-twin.fixture.ts'
import { openSession } from '../session.ts'
import { changesOf, differences, endOfLog, options, readBetween } from './read-log.fixture.ts'

void test('readLog: a log without checksums, and one that gets and loses them', options, async () => {
  const server = await startMariadb({ binlog_checksum: 'NONE' })
  try {
    await using source = await mariadbDatabaseOn(server, 'create table a (id int primary key, t text)')
    const { tables } = await mapDatabase(source.url)
    const rows = await changesOf(
      source,
      tables,
      `insert into a values (1, repeat('x', 1000))`,
      'set global binlog_checksum = CRC32',
      `insert into a values (2, 'two')`,
      'set global binlog_checksum = NONE',
      `insert into a values (3, '')`,
    )
    assert.deepEqual(
      rows.map(({ row }) => row),
      [
        ['1', 'x'.repeat(1000)],
        ['2', 'two'],
        ['3', ''],
      ],
    )
  } finally {
    await server.remove()
  }
})

const compressedRows = [
  `insert into a values (1, repeat('ü', 300), repeat('y', 90), repeat(x'00ff', 40000), repeat('w', 3000))`,
  `insert into a values (2, 'short', null, '', ''), (3, '', '', null, 'é')`,
  `set column_compression_threshold = 0, column_compression_zlib_wrap = 1`,
  `insert into a values (4, repeat('z', 70000), 'aaaaaaaaaaaaaaaaaaaaaa', repeat('b', 300), repeat('a', 200))`,
  `update a set t = concat(t, '!') where id in (1, 2)`,
]

void test('readLog: compressed columns are read like others', options, async () => {
  await using source = await mariadbDatabase(
    `create table a (id int primary key, t mediumtext compressed, v varchar(100) compressed character set latin1,
       b longblob compressed, w varchar(5000) compressed)`,
  )
  const { tables } = await mapDatabase(source.url)
  const table = tables[0] as MovedTable
  await using twin = await postgresTwin(tables)
  const session = await openSession(source.url)
  const obstacles = await findObstacles(session, source.name, tables).finally(() => session.close())
  const from = await endOfLog(source)
  await source.run(...compressedRows)

  await twin.side.apply('log', await readBetween(source, tables, from, await endOfLog(source)))

  assert.deepEqual(obstacles, [])
  assert.deepEqual(await differences(source, twin.side, table), [])
})

void test('readLog: statements are read in the character set of who wrote them', options, async () => {
  await using source = await mariadbDatabase(
    'create table `tàble` (id int primary key)',
    'create table `жук` (id int primary key)',
    'create table b (id int primary key)',
  )
  const { tables } = await mapDatabase(source.url)
  const rows = await changesOf(source, tables, 'insert into `tàble` values (1)', 'insert into `жук` values (1)')
  assert.equal(rows.length, 2)
  const from = await endOfLog(source)
  for (const [charset, name] of [
    ['latin1', 'tàble'],
    ['cp1251', 'жук'],
    ['utf8mb4', 'tàble'],
  ] as const) {
    const client = await createConnection({ uri: source.url, charset })
    await client.query(`truncate \`${name}\``)
    await client.end()
  }
  const read = await readBetween(source, tables, from, await endOfLog(source))

  assert.deepEqual(
    read.flatMap(({ changes }) => [...changes].map(({ kind, table }) => `${kind} ${table.source.name}`)),
    ['truncate tàble', 'truncate жук', 'truncate tàble'],
  )
})
