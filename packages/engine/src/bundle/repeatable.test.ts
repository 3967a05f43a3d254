import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSql } from '../parse/parse-sql.ts'
import { repeatable } from './repeatable.ts'

async function textsOf(sql: string): Promise<string[]> {
  const { statements, errors } = await parseSql(sql, 'x.sql')
  assert.deepEqual(errors, [])
  return statements.map((statement) => {
    const result = repeatable(statement)
    return 'text' in result ? result.text : `refused: ${result.refused}`
  })
}

const RULES: [title: string, written: string, expected: string][] = [
  ['create table', 'create  table a.b (x int)', 'create  table if not exists a.b (x int)'],
  [
    'a partition',
    'create table a.p partition of a.b default',
    'create table if not exists a.p partition of a.b default',
  ],
  ['create index', 'create unique  index i on a.b (x)', 'create unique  index if not exists i on a.b (x)'],
  [
    'an index with a comment inside',
    'create /* é */ index i on a.b (x)',
    'create /* é */ index if not exists i on a.b (x)',
  ],
  ['create sequence', 'create sequence a.s', 'create sequence if not exists a.s'],
  ['create schema', 'CREATE SCHEMA a', 'CREATE SCHEMA if not exists a'],
  [
    'create schema with what is in it',
    'create schema a create table b (x int)',
    "do $$\nbegin\n  if not exists (select from pg_catalog.pg_namespace where nspname = 'a') then\n    create schema a create table b (x int);\n  end if;\nend\n$$",
  ],
  ['create extension', 'create extension citext', 'create extension if not exists citext'],
  [
    'create materialized view',
    'create materialized view a.m as select 1',
    'create materialized view if not exists a.m as select 1',
  ],
  ['create view', 'create view a.v as select 1', 'create or replace view a.v as select 1'],
  [
    'create function',
    "create function f() returns int language sql as ''",
    "create or replace function f() returns int language sql as ''",
  ],
  ['create procedure', "create procedure f() language sql as ''", "create or replace procedure f() language sql as ''"],
  [
    'create aggregate',
    'create aggregate a.g (int) (sfunc = f, stype = int)',
    'create or replace aggregate a.g (int) (sfunc = f, stype = int)',
  ],
  [
    'create trigger',
    'create trigger t after insert on a.b execute function f()',
    'create or replace trigger t after insert on a.b execute function f()',
  ],
  [
    'a constraint trigger',
    'create constraint trigger "T" after insert on a.b for each row execute function f()',
    'drop trigger if exists "T" on a.b;\ncreate constraint trigger "T" after insert on a.b for each row execute function f()',
  ],
  [
    'create policy',
    'create policy p on a."B" using (true)',
    'drop policy if exists p on a."B";\ncreate policy p on a."B" using (true)',
  ],
  [
    'create type',
    "create type a.k as enum ('x')",
    "do $$\nbegin\n  if pg_catalog.to_regtype('a.k') is null then\n    create type a.k as enum ('x');\n  end if;\nend\n$$",
  ],
  [
    'add column',
    'alter table a.b add column x int, add y int',
    'alter table a.b add column if not exists x int, add if not exists y int',
  ],
  ['what sets a state', 'alter table a.b force row level security', 'alter table a.b force row level security'],
  [
    'insert with on conflict',
    'insert into a.b values (1) on conflict do nothing',
    'insert into a.b values (1) on conflict do nothing',
  ],
  ['what is written repeatable', 'create table if not exists a.b ()', 'create table if not exists a.b ()'],
  ['a grant', 'grant select on a.b to public', 'grant select on a.b to public'],
]

for (const [title, written, expected] of RULES) {
  test(`repeatable: ${title}`, async () => {
    assert.deepEqual(await textsOf(written), [expected])
  })
}

test('repeatable: edits a statement in the middle of a file at its own place', async () => {
  const texts = await textsOf("comment on schema a is 'é😀';\ncreate table a.b (x int);")

  assert.equal(texts[1], 'create table if not exists a.b (x int)')
})

test('repeatable: a guard picks a dollar quote that the statement does not use', async () => {
  const [text] = await textsOf('alter table a.b add constraint c check (x <> $$y$$)')

  assert.ok(text?.startsWith('do $guard$\n'), text)
})

for (const refused of [
  'insert into a.b values (1)',
  'update a.b set x = 1',
  'drop table a.b',
  'create index on a.b (x)',
  'create index concurrently i on a.b (x)',
  'alter table a.b add check (x > 0)',
  'alter table a.b add constraint c check (x > 0), add constraint d check (x > 1)',
  'alter table a.b drop column x',
  'alter table a.b rename to c',
  'set search_path = a',
  'begin',
  'truncate a.b',
  'vacuum',
  'create operator === (leftarg = int, rightarg = int, function = f)',
]) {
  test(`repeatable: refuses ${refused}`, async () => {
    const [text] = await textsOf(refused)

    assert.match(text ?? '', /^refused: /)
  })
}
