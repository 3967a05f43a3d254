import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSql } from '../parse/parse-sql.ts'
import { sharedObjects, touchedObjects } from './touched-objects.ts'

const touchedBy = async (text: string) => touchedObjects((await parseSql(text, 'x.sql')).statements)

const changes: [string, string[]][] = [
  ['create table s.t (id int references s.u (id))', ['s.t']],
  ['alter table s.t add column x int', ['s.t']],
  ['alter table s.t rename to u', ['s.t']],
  ['drop table s.t, u cascade', ['s.t', 'public.u']],
  ['create index i on s.t (x)', ['s.t']],
  ['create policy p on s.t using (true)', ['s.t']],
  ['drop policy p on s.t', ['s.t']],
  ['create trigger g before insert on s.t execute function s.f()', ['s.t']],
  ['create view s.v as select * from s.t', ['s.v']],
  ['create materialized view s.v as select * from s.t', ['s.v']],
  ['create function s.f() returns int language sql as $$ select 1 $$', ['s.f']],
  ['drop function s.f(int)', ['s.f']],
  ["create type s.e as enum ('a')", ['s.e']],
  ["alter type s.e add value 'b'", ['s.e']],
  ['create domain s.d as text', ['s.d']],
  ['insert into s.t values (1)', ['s.t']],
  ['update s.t set x = 1', ['s.t']],
  ['grant select on s.t to r', ['s.t']],
  ["comment on table s.t is ''", ['s.t']],
  ['select s.f()', []],
]
for (const [text, changed] of changes) {
  test(`touchedObjects: '${text}' changes ${changed.join(', ') || 'nothing'}`, async () => {
    assert.deepEqual([...(await touchedBy(text)).changed].toSorted(), changed.toSorted())
  })
}

test('touchedObjects: uses what a foreign key, a view, a column type and a trigger refer to', async () => {
  const touched = await touchedBy(
    'create table s.t (id int references s.u (id), e s.e); create view s.v as select s.f(x) from s.w; create trigger g before insert on s.t execute function s.h()',
  )

  for (const name of ['s.u', 's.e', 's.f', 's.w', 's.h']) assert.ok(touched.used.has(name), name)
})

test('sharedObjects: two files that only refer to the same table do not meet', async () => {
  const [a, b] = [
    await touchedBy('create table a (t int references t)'),
    await touchedBy('create table b (t int references t)'),
  ]

  assert.deepEqual(sharedObjects(a, b), [])
})

test('sharedObjects: a file that changes what another refers to meets it, in both directions', async () => {
  const [change, use] = [
    await touchedBy('alter table s.t add x int'),
    await touchedBy('create view v as select * from s.t'),
  ]

  assert.deepEqual(sharedObjects(change, use), ['s.t'])
  assert.deepEqual(sharedObjects(use, change), ['s.t'])
})
