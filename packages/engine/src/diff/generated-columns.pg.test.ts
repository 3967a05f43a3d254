import assert from 'node:assert/strict'
import { test } from 'node:test'
import { proveDiff } from './diff-proof.fixture.ts'

/** Schemas whose generated columns stand on what changes, and how statements begin that must be there in this order. */
const CASES: Record<string, { left: string; right: string; expected: string[] }> = {
  'a generated column goes before the column that it reads': {
    left: 'create table public.t (id int, qty int, total int generated always as (qty * 2) stored)',
    right: 'create table public.t (id int)',
    expected: ['alter table public.t drop column total', 'alter table public.t drop column qty'],
  },
  'a column that it reads gets another type': {
    left: 'create table public.t (price numeric(9,2), total numeric generated always as (price * 2) stored, rest int generated always as (1) stored)',
    right:
      'create table public.t (price numeric(12,4), total numeric generated always as (price * 2) stored, rest int generated always as (1) stored)',
    expected: [
      'alter table public.t drop column total',
      'alter table public.t alter column price type numeric(12,4)',
      'alter table public.t add column total numeric generated always as (price * (2)::numeric) stored',
    ],
  },
  'a column that it reads gets another collation': {
    left: 'create table public.t (name text, "Upper" text generated always as (upper(name)) stored)',
    right: 'create table public.t (name text collate "C", "Upper" text generated always as (upper(name)) stored)',
    expected: [
      'alter table public.t drop column "Upper"',
      'alter table public.t alter column name type text collate pg_catalog."C"',
      'alter table public.t add column "Upper" text generated always as (upper(name)) stored',
    ],
  },
  'a new one reads a column that is new and one that gets another type': {
    left: 'create table public.t (price numeric(9,2))',
    right:
      'create table public.t (total numeric generated always as (price * qty) stored, price numeric(12,4), qty int)',
    expected: [
      'alter table public.t add column qty integer',
      'alter table public.t alter column price type numeric(12,4)',
      'alter table public.t add column total numeric generated always as (price * (qty)::numeric) stored',
    ],
  },
  'its grants, comment and settings come back': {
    left: `create table public.t (price numeric(9,2), total numeric generated always as (price * 2) stored);
      grant select (total), update (price) on public.t to pg_monitor;
      comment on column public.t.total is 'twice'; alter table public.t alter column total set statistics 500;
      alter table public.t alter column total set storage external`,
    right: `create table public.t (price numeric(12,4), total numeric generated always as (price * 2) stored);
      grant select (total), update (price) on public.t to pg_monitor;
      comment on column public.t.total is 'twice'; alter table public.t alter column total set statistics 500;
      alter table public.t alter column total set storage external`,
    expected: [
      'alter table only public.t alter column total set storage external',
      'alter table only public.t alter column total set statistics 500',
      'grant select (total) on public.t to pg_monitor',
      "comment on column public.t.total is 'twice'",
    ],
  },
  'the grants of a dropped column are not taken back': {
    left: 'create table public.t (id int, n int); grant select (id, n) on public.t to pg_monitor',
    right: 'create table public.t (id int); grant select (id) on public.t to pg_monitor',
    expected: ['alter table public.t drop column n'],
  },
  'what stands on it is made again': {
    left: `create table public.t (id int, price int, total int generated always as (price * 2) stored unique, constraint positive check (total > 0));
      create table public.r (total int references public.t (total));
      create index t_total on public.t (total);
      create view public.v as select total from public.t;
      create policy p on public.t using (total > 1)`,
    right: `create table public.t (id int, price bigint, total int generated always as (price * 2) stored unique, constraint positive check (total > 0));
      create table public.r (total int references public.t (total));
      create index t_total on public.t (total);
      create view public.v as select total from public.t;
      create policy p on public.t using (total > 1)`,
    expected: ['drop view public.v', 'alter table public.t drop column total'],
  },
  'a function that it calls is made again': {
    left: `create function public.f(x int) returns int language sql immutable as 'select x';
      create table public.t (id int, total int generated always as (public.f(id)) stored); create view public.v as select total from public.t`,
    right: `create function public.f(renamed int) returns int language sql immutable as 'select renamed';
      create table public.t (id int, total int generated always as (public.f(id)) stored); create view public.v as select total from public.t`,
    expected: [
      'drop view public.v',
      'alter table public.t drop column total',
      'drop function public.f(integer)',
      'alter table public.t add column total integer generated always as (public.f(id)) stored',
    ],
  },
  'a function that it calls is made again for another one': {
    left: `create function public.f2(x int) returns int language sql immutable as 'select x';
      create function public.f1(x int) returns int language sql immutable begin atomic select public.f2(x); end;
      create table public.t (id int, total int generated always as (public.f1(id)) stored, constraint positive check (total > 0));
      create index t_total on public.t (total); create view public.v as select total from public.t`,
    right: `create function public.f2(renamed int) returns int language sql immutable as 'select renamed';
      create function public.f1(x int) returns int language sql immutable begin atomic select public.f2(x); end;
      create table public.t (id int, total int generated always as (public.f1(id)) stored, constraint positive check (total > 0));
      create index t_total on public.t (total); create view public.v as select total from public.t`,
    expected: [
      'drop view public.v',
      'alter table public.t drop column total',
      'drop function public.f1(integer)',
      'drop function public.f2(integer)',
      'alter table public.t add column total integer generated always as (public.f1(id)) stored',
    ],
  },
  'a table that inherits reads a column of its parent': {
    left: `create table public.z (price int, total int generated always as (price * 2) stored);
      create table public.a (more int generated always as (price * 3) stored) inherits (public.z)`,
    right: `create table public.z (price bigint, total int generated always as (price * 2) stored);
      create table public.a (more int generated always as (price * 3) stored) inherits (public.z)`,
    expected: [
      'alter table public.a drop column more',
      'alter table public.z drop column total',
      'alter table public.z alter column price type bigint',
      'alter table public.a add column more integer generated always as (price * 3) stored',
    ],
  },
  'a partitioned table passes it on': {
    left: `create table public.p (day date, price int, total int generated always as (price * 2) stored) partition by range (day);
      create table public.p1 partition of public.p default; grant select (total) on public.p1 to pg_monitor`,
    right: `create table public.p (day date, price bigint, total int generated always as (price * 2) stored) partition by range (day);
      create table public.p1 partition of public.p default; grant select (total) on public.p1 to pg_monitor`,
    expected: [
      'alter table public.p drop column total',
      'alter table public.p alter column price type bigint',
      'grant select (total) on public.p1 to pg_monitor',
    ],
  },
}

for (const [title, { left, right, expected }] of Object.entries(CASES)) {
  for (const [way, from, to] of [
    ['', left, right],
    [', and back', right, left],
  ] as const) {
    test(`diffCatalogs of generated columns: ${title}${way}`, async () => {
      const { statements, differences } = await proveDiff(from, to, { concurrently: false })

      const texts = statements.map(({ sql }) => sql)
      if (way === '')
        assert.deepEqual(
          texts.flatMap((sql) => expected.filter((start) => sql.startsWith(start))),
          expected,
          texts.join(';\n'),
        )
      assert.ok(!texts.some((sql) => sql.includes('rest')), 'a column that reads nothing else stays')
      assert.deepEqual(differences, [])
    })
  }
}
