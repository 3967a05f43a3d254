import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSql } from './parse-sql.ts'
import { statementReferences } from './references.ts'

async function references(sql: string): Promise<string[]> {
  const { statements, errors } = await parseSql(sql, 'x.sql')
  assert.deepEqual(errors, [])
  return statements
    .flatMap(statementReferences)
    .filter((reference) => reference.schema !== 'pg_catalog')
    .map((r) => `${r.kind} ${r.schema}.${r.name}`)
}

test('statementReferences: sees tables, types, functions and foreign keys of a table', async () => {
  const sql = `create table a.t (x b.kind not null default c.make(), y d.kind[], foreign key (x) references e.u (id))`

  assert.deepEqual(await references(sql), [
    'table a.t',
    'type b.kind',
    'function c.make',
    'type d.kind',
    'foreign key e.u',
  ])
})

test('statementReferences: looks into SQL and PL/pgSQL bodies', async () => {
  const sql = `
    create function a.f(p b.kind) returns setof c.row language sql as 'select d.g(x) from e.t';
    create function a.h() returns trigger language plpgsql as $$
    declare r f.t%rowtype; v g.t.col%type; w h.kind;
    begin
      insert into i.t values (1);
      perform j.f();
      if exists (select from k.t) then w := l.f(); end if;
      new.x = m.f();
      for r in select * from n.t loop null; end loop;
      return o.f();
    end $$;
    do $$ begin perform p.f(); end $$`

  const found = await references(sql)

  assert.deepEqual(found, [
    'function a.f',
    'type b.kind',
    'type c.row',
    'function d.g',
    'table e.t',
    'function a.h',
    'table f.t',
    'table g.t',
    'type h.kind',
    'table i.t',
    'function j.f',
    'table k.t',
    'function l.f',
    'function m.f',
    'table n.t',
    'function o.f',
    'function p.f',
  ])
})

test('statementReferences: sees policies, triggers, comments, grants and regclass literals', async () => {
  const sql = `
    create policy p on a.t using (x = (select b.f()));
    create trigger g after insert on a.t execute function c.f();
    comment on column d.t.x is 'y';
    comment on constraint z on e.t is 'y';
    grant usage on schema f to public;
    grant execute on function g.f(h.kind) to public;
    select 'i.t'::regclass`

  assert.deepEqual(await references(sql), [
    'table a.t',
    'function b.f',
    'function c.f',
    'table a.t',
    'table d.t',
    'table e.t',
    'schema f.',
    'function g.f',
    'type h.kind',
    'table i.t',
  ])
})

test('statementReferences: sees what variables of any type start with', async () => {
  const sql = `create function a.f(x int) returns int language plpgsql as $body$
    declare
      r record := b.f(x);
      c constant d.row default e.g((select 1 from h.t where y = 2));
      n int = i.j();
    begin
      declare q k.row := l.m(r); begin return q = 1; end;
    end $body$`

  const found = await references(sql)

  assert.deepEqual(found.filter((reference) => /^(function|table) (?!a)/.test(reference)).toSorted(), [
    'function b.f',
    'function e.g',
    'function i.j',
    'function l.m',
    'table h.t',
  ])
})
