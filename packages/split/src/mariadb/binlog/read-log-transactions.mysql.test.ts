import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mariadbDatabase } from '../../../../../tests/support/mariadb.ts'
import type { MovedTable } from '../../model.ts'
import { mapDatabase } from '../map-database.fixture.ts'
import { comparePositions } from '../position.ts'
import { closing, postgresTwin } from '../postgres-twin.fixture.ts'
import { openSession } from '../session.ts'
import { openSnapshot } from '../snapshot.ts'
import { changesOf, endOfLog, options, readBetween } from './read-log.fixture.ts'

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
