import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { emptyDatabase, type TestDatabase } from '../../../../tests/support/database.ts'
import { runOn } from '../../../../tests/support/logical-server.ts'
import { testVersion } from '../../../../tests/support/server.ts'
import { openPostgresSide } from './open-postgres-side.ts'
import { movedTables, twoDatabases, type TwoDatabases } from './two-databases.fixture.ts'

let two: TwoDatabases
before(async () => {
  two = await twoDatabases(
    `create table good (id int primary key, name text not null);
     create unlogged table scratch (id int primary key);
     create table keyless (a int, b int);
     create table half (a int not null, b int not null, c oid);
     create table parent (id int primary key); create table heir (primary key (id)) inherits (parent);
     create table bare (id int primary key); alter table bare replica identity nothing;
     create table deferred (id int primary key deferrable);
     create table parts (id int not null) partition by range (id); create table parts_1 partition of parts default;
     alter table parts_1 replica identity full;
     create table mixed (id int primary key) partition by range (id); create table mixed_1 partition of mixed default;
     alter table mixed_1 replica identity nothing;
     create table computed (a int, id int generated always as (a + 1) stored primary key);
     create table counted (id int not null, a int, b int generated always as (a + 1) stored);
     alter table counted replica identity full;
     create table watched (id int primary key);
     create schema elsewhere; create table elsewhere.t (id int primary key);
     create view seen as select id from good;
     create function touch() returns trigger language plpgsql as $$ begin perform 1 from good; return null; end $$;
     create trigger watch after insert on watched execute function touch(); alter table watched enable always trigger watch;
     create trigger touch after insert on good for each row execute function touch();
     create table days (day date primary key, n serial, g int generated always as (n * 2) stored,
       good int references good on delete cascade) partition by range (day);
     create table days_1 partition of days default; create unique index days_g on days (day, g);
     create index days_n on days ((n + 1))`,
    { rows: `insert into days (day) select date '2026-01-01' + n from generate_series(1, 500) n; analyze` },
  )
})
after(() => two[Symbol.asyncDispose]())

test('obstacles: a table that can go has none', async () => {
  const tables = two.tables.filter(({ source }) => ['good', 't', 'days'].includes(source.name))

  assert.deepEqual(await two.source.obstacles(tables), [])
})

test('obstacles: names everything that keeps tables, each with a way out', async () => {
  await runOn(two.shared.url, 'select lo_create(0)')
  const declared: Readonly<Record<string, string[]>> = { half: ['a', 'b'], parts: ['id'], counted: ['id'] }
  const tables = two.tables.map((table) => ({ ...table, key: declared[table.source.name] ?? table.key }))
  const missing = { source: { schema: 'public', name: 'none' }, target: { schema: 'public', name: 'none' } }

  const found = await two.source.obstacles([...tables, { ...missing, columns: [], key: ['id'] }])

  assert.deepEqual(found.map(({ code, message }) => `${code} ${/public\.\w+/.exec(message)?.[0]}`).toSorted(), [
    'IMH_SPLIT_INHERITS public.heir',
    'IMH_SPLIT_INHERITS public.parent',
    'IMH_SPLIT_LARGE_OBJECTS public.half',
    'IMH_SPLIT_NO_KEY public.keyless',
    'IMH_SPLIT_REPLICA_IDENTITY public.bare',
    'IMH_SPLIT_REPLICA_IDENTITY public.computed',
    ...(testVersion() < 18 ? [] : ['IMH_SPLIT_REPLICA_IDENTITY public.counted']),
    'IMH_SPLIT_REPLICA_IDENTITY public.deferred',
    'IMH_SPLIT_REPLICA_IDENTITY public.half',
    'IMH_SPLIT_REPLICA_IDENTITY public.mixed_1',
    'IMH_SPLIT_REPLICA_IDENTITY public.parts',
    'IMH_SPLIT_TABLE_MISSING public.none',
    'IMH_SPLIT_TRIGGER public.watched',
    'IMH_SPLIT_UNLOGGED public.scratch',
  ])
  assert.ok(found.every(({ hint }) => hint.length > 10))
})

test('obstacles: a server that keeps no logical log, and a role that sees not all', async () => {
  const plain: TestDatabase = await emptyDatabase('obstacles')
  await runOn(plain.url, `create table t (id int primary key); create role plain_${process.pid} login password 'test'`)
  const url = new URL(plain.url)
  Object.assign(url, { username: `plain_${process.pid}`, password: 'test' })
  const side = await openPostgresSide(url.href)

  const codes = (await side.obstacles(await movedTables(side))).map(({ code }) => code)

  assert.deepEqual(codes, ['IMH_SPLIT_WAL_LEVEL', 'IMH_SPLIT_RIGHTS'])
  await side.close()
  await runOn(plain.url, `drop role plain_${process.pid}`)
  await plain.drop()
})

test('catalog: tables with columns, keys and sizes; partitions are a part of their table', async () => {
  const { tables, views, triggers, routines } = await two.source.catalog()

  const days = tables.find(({ name }) => name === 'days')
  assert.ok(!tables.some(({ name }) => name === 'days_1'))
  assert.deepEqual(days?.primaryKey, ['day'])
  assert.equal(days?.rows, 500)
  assert.ok(days.bytes > 8192)
  assert.deepEqual(
    days.columns.map(({ name, type, identity, generated }) => [name, type, identity, generated !== null]),
    [
      ['day', 'date', false, false],
      ['n', 'integer', true, false],
      ['g', 'integer', false, true],
      ['good', 'integer', false, false],
    ],
  )
  assert.deepEqual(
    days.indexes.map(({ name, unique, columns }) => [name, unique, columns]),
    [
      ['days_g', true, ['day', 'g']],
      ['days_n', false, ['((n + 1))']],
    ],
  )
  assert.deepEqual(days.foreignKeys, [
    {
      name: 'days_good_fkey',
      columns: ['good'],
      references: { schema: 'public', name: 'good', columns: ['id'] },
      onDelete: 'cascade',
      onUpdate: 'no action',
    },
  ])
  assert.deepEqual(
    [views[0]?.name, triggers.find(({ name }) => name === 'touch')?.table.name, routines[0]?.name],
    ['seen', 'good', 'touch'],
  )
  assert.match(triggers[0]?.body ?? '', /from good/)
})

test('catalog: of some schemas only', async () => {
  const side = await openPostgresSide(two.shared.url, { schemas: ['elsewhere'] })

  const { tables } = await side.catalog()

  assert.deepEqual(
    tables.map(({ schema, name }) => `${schema}.${name}`),
    ['elsewhere.t'],
  )
  await side.close()
})
