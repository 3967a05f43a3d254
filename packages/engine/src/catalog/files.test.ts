import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSql } from '../parse/parse-sql.ts'
import { foldFiles, foldStatement, startFold } from './files.ts'

test('foldFiles: every object knows its file and line', async () => {
  const catalog = await foldFiles([
    {
      path: '1.sql',
      text: 'create schema a;\n\ncreate table a.t (\n  x int,\n  constraint t_pkey primary key (x)\n);',
    },
    { path: '2.sql', text: '\ncreate index t_i on a.t (x);' },
  ])

  const table = catalog.tables.get('a.t')
  assert.deepEqual(catalog.schemas.get('a')?.position, { file: '1.sql', line: 1, column: 1 })
  assert.deepEqual(table?.position, { file: '1.sql', line: 3, column: 1 })
  assert.deepEqual(table?.indexes.get('t_i')?.position, { file: '2.sql', line: 2, column: 1 })
  assert.deepEqual(catalog.unknown, [])
})

test('foldFiles: says what it cannot tell instead of guessing', async () => {
  const text = `do $$ begin execute (select string_agg(x, ' ') from a.t); end $$;
select a.setup('b');
call a.work();
select set_config('x', 'y', false), now();
selct;
import foreign schema a from server b into c;`

  const { unknown } = await foldFiles([{ path: 'x.sql', text }])

  assert.deepEqual(
    unknown.map(({ position, reason }) => [position.line, reason]),
    [
      [5, 'does not parse: syntax error at or near "selct"'],
      [1, 'do block: rows of a.t'],
      [2, 'call of a.setup'],
      [3, 'call of a.work'],
      [6, 'import foreign schema'],
    ],
  )
})

test('foldFiles: a call with a known effect is folded as the SQL that it runs', async () => {
  const effects = {
    'a.enrol': ([table]: readonly (string | null)[]) =>
      `create trigger enrolled after insert on ${table} execute function a.log();`,
    'a.nothing': () => null,
  }
  const text = "create table a.t (x int);\n\nselect a.enrol('a.t'), a.nothing(1);"

  const catalog = await foldFiles([{ path: 'x.sql', text }], { effects })

  assert.deepEqual(catalog.unknown, [])
  assert.equal(catalog.tables.get('a.t')?.triggers.get('enrolled')?.function, 'a.log')
  assert.equal(catalog.tables.get('a.t')?.triggers.get('enrolled')?.position?.line, 3)
})

test('foldFiles: arguments that are computed make a known call unknown', async () => {
  const catalog = await foldFiles([{ path: 'x.sql', text: 'select a.enrol(name) from a.names' }], {
    effects: { 'a.enrol': () => null },
  })

  assert.equal(catalog.unknown[0]?.reason, 'call of a.enrol')
})

test('foldFiles: a second definition of the same name changes nothing', async () => {
  const text = 'create table if not exists a.t (x int); create table if not exists a.t (y int);'

  const catalog = await foldFiles([{ path: 'x.sql', text }])

  assert.deepEqual([...(catalog.tables.get('a.t')?.columns.keys() ?? [])], ['x'])
})

test('foldFiles: what was dropped, renamed or moved is remembered with its place and new name, until the name comes back', async () => {
  const text = `create schema a; create schema b;
create table a.t (x int, y int); create table a.u (x int); create view a.v as select x from a.t; create function a.f(int) returns int language sql as '';
alter table a.t rename column x to z;
alter table a.t drop column y;
alter table a.t rename to s;
alter table a.u set schema b;
drop view a.v;
alter function a.f(int) rename to g;
create table a.t (x int);`

  const { gone } = await foldFiles([{ path: 'x.sql', text }])

  const found = [...gone].map(([name, { how, to, position }]) => [name, how, to, position.line])
  assert.deepEqual(found, [
    ['a.u', 'moved', 'b.u', 6],
    ['a.v', 'dropped', null, 7],
    ['a.f(integer)', 'renamed', 'a.g(integer)', 8],
  ])
})

test('foldFiles: columns and constraints know their own place', async () => {
  const text =
    'create table a.t (\n  x int,\n  y int check (y > 0),\n  constraint c check (x > 0)\n);\nalter table a.t\n  add z int;'

  const catalog = await foldFiles([{ path: 'x.sql', text }])

  const table = catalog.tables.get('a.t')
  const places = [...(table?.columns.values() ?? []), ...(table?.constraints.values() ?? [])].map(
    ({ name, position }) => [name, position?.line, position?.column],
  )
  assert.deepEqual(places, [
    ['x', 2, 3],
    ['y', 3, 3],
    ['z', 7, 7],
    ['t_y_check', 3, 9],
    ['c', 4, 3],
  ])
})

test('foldStatement: moves the catalog on statement by statement', async () => {
  const file = await parseSql(
    'create table a.t (x int); alter table a.t add y int; begin; drop table a.t; rollback;',
    'x.sql',
  )
  const fold = startFold()

  const columns = file.statements.map((statement) => {
    foldStatement(fold, statement, file)
    return fold.catalog.tables.get('a.t')?.columns.size
  })

  assert.deepEqual(columns, [1, 2, 2, 2, 2])
})

test('foldFiles: set local holds to the end of a file that is one transaction, and no longer than one inside the file', async () => {
  const schemas = { path: '1.sql', text: 'create schema x;' }
  const whole = { path: '2.sql', text: 'set local search_path = x; create table a (i int); create table b (i int);' }
  const next = { path: '3.sql', text: 'create table c (i int);' }
  const outside = {
    path: '4.sql',
    text: `-- imhotep:no-transaction
set local search_path = x; create table d (i int);
begin; set local search_path = x; create table e (i int); commit; create table f (i int);`,
  }
  const alone = {
    path: '5.sql',
    text: 'set local search_path = x; create index concurrently on c (i); create table g (i int);',
  }
  const wrapped = {
    path: '6.sql',
    text: 'begin; set local search_path = x; create table h (i int); commit; create table k (i int);',
  }

  const { tables } = await foldFiles([schemas, whole, next, outside, alone, wrapped])

  const names = ['x.a', 'x.b', 'public.c', 'public.d', 'x.e', 'public.f', 'public.g', 'x.h', 'public.k']
  assert.deepEqual([...tables.keys()], names)
})

test('foldFiles: what PostgreSQL refuses to do to the values of an enum changes none', async () => {
  const text = `create type mood as enum ('good', 'bad');
    alter type mood rename value 'grand' to 'fair';
    alter type mood rename value 'good' to 'bad';
    alter type mood add value 'fair' before 'grand';`

  const { types } = await foldFiles([{ path: 'x.sql', text }])

  assert.deepEqual(types.get('public.mood')?.labels, ['good', 'bad'])
})

test('foldFiles: a constraint that was dropped is known to be gone', async () => {
  const text = 'create table t (i int constraint positive check (i > 0));\nalter table t drop constraint positive;'

  const { gone } = await foldFiles([{ path: 'x.sql', text }])

  assert.equal(gone.get('public.t.positive')?.position.line, 2)
})
