import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { testVersion } from '../../../../tests/support/server.ts'
import { proveDiff } from './diff-proof.fixture.ts'
import { randomSchema } from './random-schema.fixture.ts'

const START = `create schema a;
  create type a.k as enum ('x');
  create function a.f(x int) returns int language sql immutable as 'select x';
  create table a.o (id int primary key);
  create table a.t (id int primary key, n int, s varchar(5), o int, old text);
  create view a.v as select id, s from a.t;`

/** What is changed by hand, and the statements that the diff says for it, hazards in front. */
const CASES: Record<string, [change: string, expected: string[]]> = {
  'a new column': ['alter table a.t add column c int default 0', ['alter table a.t add column c integer default 0']],
  'a renamed column is not guessed, but both ends say so': [
    'alter table a.t rename column old to new',
    ['data loss: alter table a.t drop column old', 'needs a person: alter table a.t add column new text'],
  ],
  'a dropped table': ['drop table a.o', ['data loss: drop table a.o']],
  'a type that is written anew, with the view over it': [
    'drop view a.v; alter table a.t alter column id type bigint; create view a.v as select id, s from a.t',
    [
      'drop view a.v',
      'rewrites: alter table a.t alter column id type bigint using id::bigint',
      'create view a.v as ..',
    ],
  ],
  'a wider text': [
    'drop view a.v; alter table a.t alter column s type varchar(9); create view a.v as select id, s from a.t',
    ['drop view a.v', 'locks: alter table a.t alter column s type character varying(9)', 'create view a.v as ..'],
  ],
  'not null, without a long lock': [
    'alter table a.t alter column n set not null',
    [
      'alter table a.t add constraint n_not_null_for_now check (n is not null) not valid',
      'alter table a.t validate constraint n_not_null_for_now',
      'alter table a.t alter column n set not null',
      'alter table a.t drop constraint n_not_null_for_now',
    ],
  ],
  'a foreign key and a check, validated afterwards': [
    'alter table a.t add constraint t_o foreign key (o) references a.o (id), add constraint t_n check (n > 0)',
    [
      'alter table a.t add constraint t_n check ((n > 0)) not valid',
      'alter table a.t add constraint t_o foreign key (o) references a.o(id) not valid',
      'alter table a.t validate constraint t_n',
      'alter table a.t validate constraint t_o',
    ],
  ],
  'an index and a key, while everybody works': [
    'create index t_n on a.t (n); alter table a.t add constraint t_s unique (s)',
    [
      'create unique index concurrently t_s on a.t (s)',
      'alter table a.t add constraint t_s unique using index t_s',
      'create index concurrently t_n on a.t (n)',
    ],
  ],
  'a new label': ["alter type a.k add value 'y'", ["alter type a.k add value 'y' after 'x'"]],
  'a body': [
    "create or replace function a.f(x int) returns int language sql immutable as 'select x + 1'",
    ['create or replace function a.f(x integer)\nreturns integer\nlanguage sql\nimmutable\nas $$select x + 1$$'],
  ],
  'row level security and a policy': [
    'alter table a.t enable row level security, force row level security; create policy p on a.t using (n = 1)',
    [
      'breaks clients: alter table a.t enable row level security',
      'alter table a.t force row level security',
      'create policy p on a.t\n  using (n = 1)',
    ],
  ],
  'an option of a view': [
    'alter view a.v set (security_invoker = true)',
    ['alter view a.v set (security_invoker=true)'],
  ],
  'defaults of a view': [
    "alter view a.v alter column s set default 'x', alter column id set default a.f(1)",
    [
      'alter view a.v alter column id set default a.f(1)',
      "alter view a.v alter column s set default 'x'::character varying",
    ],
  ],
  'grants, owners and comments': [
    "grant select on a.t to pg_monitor; comment on column a.t.n is 'it''s'; alter table a.o owner to pg_monitor",
    ['alter table a.o owner to pg_monitor', 'grant select on a.t to pg_monitor', "comment on column a.t.n is 'it''s'"],
  ],
}

for (const [title, [change, expected]] of Object.entries(CASES)) {
  test(`diffCatalogs: ${title}`, async () => {
    const { statements, differences } = await proveDiff(START, `${START} ${change}`, { concurrently: true })

    // Versions of PostgreSQL print a query differently.
    const shown = (sql: string) => sql.replace(/^(create view .* as)\n[^]*$/, '$1 ..')
    const texts = statements.map(({ sql, hazard }) => (hazard === null ? shown(sql) : `${hazard}: ${shown(sql)}`))
    assert.deepEqual(texts, expected)
    assert.deepEqual(differences, [])
  })
}

test('diffCatalogs: what cannot be computed is left to a person, as a comment that says what', async () => {
  const left = "create type public.k as enum ('x', 'y')"

  const { statements } = await proveDiff(left, "create type public.k as enum ('y')", { concurrently: true })

  assert.deepEqual(
    statements.map(({ sql, hazard }) => [sql, hazard]),
    [["-- type public.k: it loses 'x': make a new type and move the columns to it", 'needs a person']],
  )
})

test('diffCatalogs: what cannot be printed can still be dropped, with the functions and the schema under it', async () => {
  const left = `create schema a;
    create function a.eq(int, int) returns bool language sql immutable as 'select true';
    create operator a.=== (leftarg = int, rightarg = int, function = a.eq);
    create operator class a.c for type int using hash as operator 1 a.===, function 1 hashint4(int);
    create collation a.de (provider = icu, locale = 'de-DE');
    create domain a.name as text collate a.de;
    create table a.t (x int, y a.name, z text collate a.de);
    create index t_x on a.t using hash (x a.c);
    create text search parser a.p (start = prsd_start, gettoken = prsd_nexttoken, end = prsd_end, lextypes = prsd_lextype);
    create text search template a.m (lexize = dsimple_lexize);
    create text search dictionary a.d (template = a.m);
    create text search configuration a.s (parser = a.p);
    alter text search configuration a.s add mapping for word with a.d;
    create conversion a.v for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8;
    create foreign data wrapper w;
    create server far foreign data wrapper w;
    create user mapping for public server far;
    create foreign table a.remote (x int) server far;`

  const { statements, differences } = await proveDiff(left, 'select 1', { concurrently: false })

  assert.deepEqual(differences, [])
  assert.ok(statements.every(({ sql }) => !sql.startsWith('--')))
})

test('diffCatalogs: new collations are made in front of what is sorted by them, with all their properties', async () => {
  const rules = testVersion() >= 16 ? `, rules = '&V << w <<< W'` : ''
  const right = `create schema a;
    create collation a."De" (provider = icu, locale = 'de-DE'${rules});
    create collation a.ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    create collation a.c (lc_collate = 'C', lc_ctype = 'POSIX');
    ${testVersion() >= 17 ? `create collation a.b (provider = builtin, locale = 'C.UTF-8');` : ''}
    create domain a.name as text collate a."De";
    create table a.t (y a.name, z text collate a.ci unique, x text collate a.c);`

  const { statements, differences } = await proveDiff('select 1', right, { concurrently: false })

  assert.deepEqual(differences, [])
  assert.ok(statements.every(({ sql }) => !sql.startsWith('--')))
})

test('diffCatalogs: a foreign table and a cast are made again, with the view over them', async () => {
  const schema = (column: string, context: string) => `create schema a;
    create foreign data wrapper w;
    create server far foreign data wrapper w;
    create foreign table a.remote (x int${column}) server far;
    grant select on a.remote to public; grant update (x) on a.remote to pg_monitor;
    create view a.v as select x from a.remote;
    create type a.pair as (x int);
    create cast (a.pair as text) with inout${context};`

  const { differences } = await proveDiff(schema('', ''), schema(', y text', ' as assignment'), { concurrently: false })

  assert.deepEqual(differences, [])
})

test('diffCatalogs: a foreign table with options is left to a person, and none is shown', async () => {
  const start = `create schema a; create foreign data wrapper w; create server far foreign data wrapper w;
    create foreign table a.remote (x int options (place 'hush-1')) server far options (secret 'hush-2');`
  const change = `alter foreign table a.remote options (set secret 'hush-3'), add column y int, alter column x options (set place 'hush-4')`

  const { statements } = await proveDiff(start, `${start} ${change}`, { concurrently: false })

  assert.deepEqual(
    statements.map(({ sql }) => sql),
    [
      '-- other foreign table a.remote: it differs in column y, option place of x, option secret, whose values are not shown',
    ],
  )
})

test('diffCatalogs: a new partition says that the default partition is looked through', async () => {
  const schema = `create table public.p (n int) partition by list (n); create table public.q (n int) partition by list (n);
    create table public.p_rest partition of public.p default;`
  const right = `${schema} create table public.p1 partition of public.p for values in (1); create table public.q1 partition of public.q for values in (1)`

  const { statements, differences } = await proveDiff(schema, right, { concurrently: false })

  assert.deepEqual(differences, [])
  assert.deepEqual(
    statements.map(({ object, hazard, reason }) => [object, hazard, reason]),
    [
      [
        'table public.p1',
        'locks',
        "all rows of default partition 'public.p_rest' are looked at under an exclusive lock, unless a check of it excludes the new bound",
      ],
      ['table public.q1', null, null],
    ],
  )
})

test('diffCatalogs: new values of an enum that something uses are added in front, outside of the transaction', async () => {
  const left = `create schema a;
    create type a.k as enum ('x');
    create type a.unused as enum ('x');
    create table a.t (k a.k default 'x', ks a.k[]);`
  const right = `create schema a;
    create type a.k as enum ('w', 'x', 'it''s y');
    create type a.unused as enum ('x', 'y');
    create table a.t (k a.k default 'it''s y' check (k <> 'w'), ks a.k[] default '{w,x}');
    create function a.f(k a.k default 'w') returns a.k language sql as 'select k';
    create view a.v as select a.f('w') as f, k from a.t where k = 'it''s y';
    create index t_k on a.t (k) where k = 'w';`

  const { statements, differences } = await proveDiff(left, right, { concurrently: false })

  assert.deepEqual(differences, [])
  assert.deepEqual(
    statements.filter((own) => own.outside).map(({ sql }) => sql),
    ["alter type a.k add value 'w' before 'x'", "alter type a.k add value 'it''s y' after 'x'"],
  )
})

test('diffCatalogs: a few random pairs of schemas become the same', async () => {
  await fc.assert(
    fc.asyncProperty(randomSchema, randomSchema, async (left, right) => {
      const { statements, differences } = await proveDiff(left, right, { concurrently: false })

      fc.pre(!statements.some(({ sql }) => sql.startsWith('-- ')))
      assert.deepEqual(differences, [])
    }),
    { numRuns: 6, seed: 20260101, endOnFailure: true },
  )
})
