import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mariadbDatabase, mariadbDatabaseOn, startMariadb } from '../../../../../tests/support/mariadb.ts'
import { mapDatabase } from '../map-database.fixture.ts'
import { changesOf, endOfLog, options, readBetween } from './read-log.fixture.ts'

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
      [`set statement sql_mode=''for truncate a`],
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

void test('readLog: a backslash in a text is what it was to the session that wrote it', options, async () => {
  await using source = await mariadbDatabase('create table a (id int primary key, n int)')
  await using other = await mariadbDatabase('create table o (id int primary key, t varchar(100))')
  const { tables } = await mapDatabase(source.url)
  const write = (mode: string, ...statements: string[]) =>
    changesOf(source, tables, `use ${other.name}`, `set session sql_mode = '${mode}'`, ...statements)
  const asStatement = `set session binlog_format = 'STATEMENT'`
  const a = `${source.name}.a`

  await assert.rejects(
    write('NO_BACKSLASH_ESCAPES', asStatement, `insert into o select id, '\\' from ${a} where '' = ''`),
    { code: 'IMH_SPLIT_BINLOG' },
  )
  assert.deepEqual(await write('', asStatement, `insert into o values (1, '\\' ${a} \\'')`), [])
  await assert.rejects(
    write(
      'ANSI_QUOTES',
      `create table "\\" (id int, key "\\" (id))`,
      `rename table "\\" to x, ${a} to ${source.name}."\\"`,
    ),
    { code: 'IMH_SPLIT_DDL' },
  )
})
