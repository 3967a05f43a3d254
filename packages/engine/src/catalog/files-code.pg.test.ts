import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bothCatalogs } from './both-catalogs.fixture.ts'
import { foldFiles } from './files.ts'

/** Code whose effect on the schema the files decide: the catalog must be that of the server, with nothing unknown. */
const CASES: Record<string, string> = {
  'guards over every kind of object': `
    create schema a;
    create type a.kind as enum ('x');
    create table a.t (id int primary key, x int, constraint t_x check (x > 0));
    create index t_x_idx on a.t (x);
    create function a.f() returns trigger language plpgsql as $$ begin return new; end $$;
    create trigger g before update on a.t for each row execute function a.f();
    create policy p on a.t using (true);
    create view a.v as select 1 as one;
    do $$ begin
      if not exists (select 1 from pg_type where typname = 'kind') then create type a.kind as enum ('y'); end if;
      if not exists (select 1 from pg_type t join pg_namespace n on n.oid = t.typnamespace where n.nspname = 'a' and t.typname = 'sort') then
        create type a.sort as enum ('y');
      end if;
      if not exists (select from information_schema.columns where table_schema = 'a' and table_name = 't' and column_name = 'y') then
        alter table a.t add column y int;
      end if;
      if exists (select from information_schema.tables where table_name = 'nothing') then drop table a.nothing; end if;
      if not exists (select 1 from pg_constraint where conname = 't_x' and conrelid = 'a.t'::regclass) then
        alter table a.t add constraint t_x check (x > 1);
      end if;
      if not exists (select 1 from information_schema.table_constraints where constraint_name = 't_y' and table_name = 't') then
        alter table a.t add constraint t_y check (y > 1);
      end if;
      if not exists (select 1 from pg_indexes where schemaname = 'a' and indexname = 't_x_idx') then create index t_x_idx on a.t (y); end if;
      if not exists (select 1 from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relname = 't_y_idx' and n.nspname = 'a') then
        create index t_y_idx on a.t (y);
      end if;
      if not exists (select 1 from pg_trigger where tgname = 'g' and tgrelid = 'a.t'::regclass and not tgisinternal) then
        create trigger g before insert on a.t for each row execute function a.f();
      end if;
      if not exists (select 1 from pg_policies where schemaname = 'a' and tablename = 't' and policyname = 'q') then
        create policy q on a.t for select using (x > 0);
      end if;
      if to_regclass('a.u') is null then create table a.u (x int); end if;
      if to_regclass('a.t') is null then create table a.t (other int); end if;
      if to_regtype('a.none') is null and to_regprocedure('a.f()') is not null then create type a.none as enum ('n'); end if;
      if not exists (select from pg_proc where proname = 'g') then
        create function a.g() returns int language sql as 'select 1';
      end if;
      if (select count(*) from pg_tables where schemaname = 'a') > 5 then drop table a.t; else create table a.few (x int); end if;
      if not exists (select from pg_extension where extname = 'citext') then create extension citext with schema public; end if;
      if not exists (select from pg_namespace where nspname = 'b') then create schema b; end if;
      if exists (select from pg_enum e where e.enumtypid = 'a.kind'::regtype and e.enumlabel = 'x') then
        alter type a.kind rename value 'x' to 'z';
      end if;
      if not exists (select from pg_roles where rolname = 'nobody_has_this_name') and exists (select from pg_views where viewname = 'v') then
        create table a.role_missing (x int);
      end if;
      if current_setting('server_version_num')::int >= 150000 then create table a.version (x int); end if;
    end $$;`,
  'handlers of errors, nested blocks, branches': `
    create schema a;
    create type a.kind as enum ('x');
    create table a.t (x int);
    do $$ begin create type a.kind as enum ('y'); exception when duplicate_object then null; end $$;
    do $$ begin create type a.sort as enum ('y'); exception when duplicate_object then null; end $$;
    do $$
    begin
      begin alter table a.t add column x text; exception when duplicate_column then raise notice 'there'; end;
      begin alter table a.t add column y int; exception when sqlstate '42701' then null; end;
      begin create table a.t (z int); exception when others then create table a.other (z int); end;
      begin drop table a.nothing; exception when undefined_table then null; end;
      begin alter table a.nothing add column q int; exception when undefined_table then null; end;
      begin
        create table a.first (x int);
        create table a.t (x int);
      exception when duplicate_table then null;
      end;
      begin raise exception 'no'; exception when raise_exception then create table a.raised (x int); end;
      if false then drop table a.t; elsif 1 < 2 then create table a.branch (x int); else drop table a.t; end if;
      case 'b' when 'a' then drop table a.t; when 'b', 'c' then create table a.chosen (x int); else drop table a.t; end case;
      return;
      drop table a.t;
    end
    $$;`,
  'computed statements, loops, variables': `
    create schema a;
    create table a.one (x int, created_at timestamptz);
    create table a.two (x int);
    create table a.Three (x int);
    do $$
    declare
      name text;
      r record;
      prefix constant text := 'made_';
      n int := 0;
      found_name text;
      kinds text[] := '{red,green}';
    begin
      execute 'create table a.literal (x int)';
      execute format('create table %I.%I (%s)', 'a', prefix || 'by format', 'x int');
      foreach name in array array['p', 'q'] loop
        execute format('create table a.%I (x int default %L)', prefix || name, 5);
      end loop;
      foreach name in array kinds loop execute 'create table a.' || quote_ident(name) || ' (x int)'; end loop;
      for i in 1..3 loop
        continue when i = 2;
        execute format('create table a.n%s (x int)', i);
      end loop;
      for r in select tablename, schemaname from pg_tables where schemaname = 'a' and tablename in ('one', 'two') order by 1 loop
        execute format('alter table %I.%I enable row level security', r.schemaname, r.tablename);
      end loop;
      for name in select unnest(array['u1', 'u2']) loop execute format('create table a.%I ()', name); end loop;
      for name, n in select * from (values ('v1', 1), ('v2', 2)) v (k, m) where m > 1 loop execute format('create table a.%I ()', name); end loop;
      for r in select c.relname from pg_class c where c.relnamespace = 'a'::regnamespace and c.relkind = 'r' and c.relname like 'made%' loop
        execute format('comment on table a.%I is %L', r.relname, 'it''s ' || r.relname);
      end loop;
      select column_name into found_name from information_schema.columns where table_schema = 'a' and table_name = 'one' and data_type like 'timestamp%';
      if found then execute format('alter table a.one rename column %I to made_at', found_name); end if;
      select string_agg(format('%I int', c), ', ' order by c) into name from unnest(array['b', 'a c']) c;
      execute format('create table a.listed (%s)', name);
      while n < 4 loop n := n + 1; exit when n = 3; end loop;
      execute format('create table a.w%s (x int)', n);
      insert into a.one (x) select 1;
      perform count(*) from a.one;
    end
    $$;`,
  'functions and procedures of the files': `
    create schema a;
    create function a.enrol(p_table text, p_audit boolean default true) returns void language plpgsql set search_path = '' as $$
    begin
      execute format('alter table %s enable row level security', p_table::regclass);
      execute format('create policy own on %s using (true)', p_table);
      if p_audit then execute format('create trigger audit after insert on %s for each row execute function a.log()', p_table); end if;
    end $$;
    create function a.log() returns trigger language plpgsql as $$ begin return new; end $$;
    create function a.all_of(p_schema text) returns int language plpgsql as $$
    declare t record; n int := 0;
    begin
      for t in select schemaname || '.' || tablename as name from pg_tables where schemaname = p_schema order by 1 loop
        perform a.enrol(t.name, false);
        n := n + 1;
      end loop;
      return n;
    end $$;
    create procedure a.setup(p_name text) language plpgsql as $$ begin execute format('create schema %I', p_name); end $$;
    create function a.plain() returns void language sql as 'create table a.from_sql (x int); alter table a.from_sql add y int';
    create function a.harmless(int) returns int language sql as 'select $1 + 1';
    create schema b;
    create table b.t (x int);
    create table b.u (x int);
    create table a.lone (x int);
    select a.enrol('a.lone');
    select a.all_of('b');
    call a.setup('made');
    select a.plain();
    select a.harmless(x) from a.lone;
    select a.enrol(p_audit => false, p_table => 'a.from_sql');
    create function a.once() returns void language plpgsql as $$ begin perform a.enrol('a.other'); end $$;
    create table a.other (x int);
    do $$ begin perform a.once(); end $$;
    drop function a.once();`,
  'what records and rows start with': `
    create schema a;
    create type a.kind as enum ('x', 'y');
    create type a.pair as (key text, kind a.kind);
    create domain a.names as text[];
    create table a.t (id int, name text);
    create function a.make(p_name text) returns a.t language plpgsql as $$
    begin execute format('create table a.%I (x int)', p_name); return row(1, p_name); end $$;
    create function a.named(p a.t, r record) returns void language plpgsql as $$
    declare q record := p; s record := row(r.f1);
    begin execute format('create table a.%I ()', q.name || s.f1 || p.name); end $$;
    do $$
    declare
      r constant record := (select c from pg_tables c where c.schemaname = 'a' and c.tablename = 't');
      p record default row('by_record'::text, 2);
      "Q" a.t := row(1, 'by_row'::text);
      u a.t%rowtype := row(2, 'by_rowtype'::text);
      c a.pair not null := ('by_type'::text, 'y'::a.kind);
      k a.kind = 'y';
      l a.kind := case when k = 'x' then 'y' else 'x' end;
      n a.names := array['first', 'second'];
      none record;
      empty a.pair := null;
      made record := a.make('by_call');
    begin
      execute format('comment on table %I.%I is %L', r.schemaname, r.tablename, k);
      execute format('create table a.%I (x int default %s)', p.f1, p.f2);
      execute format('create table a.%I (%s int)', "Q".name, u.name);
      execute format('create table a.%I (k a.kind default %L)', c.key, c.kind);
      execute format('comment on column a.t.id is %L', l);
      execute format('comment on column a.t.name is %L', n[2]);
      if empty is null then create table a.nothing (); end if;
      if row(null, 1) is null or row(null, 1) is not null then create table a.something (); end if;
      if (k, 1) in (('x', 2), ('y', 1)) and (k, l) = ('y', 'x') and ('y', 2) <> (k, 1) then create table a.compared (); end if;
      for none in select key, m from (values ('v1', 1), ('v2', 2)) v (key, m) where (key, m) in (('v2', 2)) loop execute format('create table a.%I ()', none.key); end loop;
      perform a.named(row(1, 'whole'::text), row('_part'::text));
    end
    $$;
    do 'declare p record := row(''quoted''::text); begin execute format(''create table a.%I ()'', p.f1); end';`,
}

for (const [title, sql] of Object.entries(CASES)) {
  test(`foldFiles: code of files is run over their catalog - ${title}`, async () => {
    const { differences, folded } = await bothCatalogs(sql)

    assert.deepEqual(differences, [])
    assert.deepEqual(folded.unknown, [])
  })
}

/** Code that only a server can tell. */
const OPEN: [sql: string, reason: string][] = [
  ['do $$ begin if (select count(*) from t) > 3 then drop table t; end if; end $$', 'do block: rows of t'],
  ['do $$ begin execute (select x from t); end $$', 'do block: rows of t'],
  ["do $$ begin if now() > '2020-01-01' then drop table t; end if; end $$", 'do block: the time'],
  ['do $$ begin if current_user = (select x from t) then drop table t; end if; end $$', 'do block: rows of t'],
  ['do language plsql $$ x $$', 'do block in plsql'],
  ['select f(x) from t', 'call of public.f: rows of t'],
  ['do $$ declare r record; begin for r in select x from t loop execute r.x; end loop; end $$', 'do block: rows of t'],
  ['drop owned by pg_monitor', 'drop owned'],
  [
    'do $$ declare r record := (select t from t); begin if r is null then drop table t; end if; end $$',
    'do block: the value of r',
  ],
  ["do $$ declare r t := '(x)'; begin if r is null then drop table t; end if; end $$", 'do block: the value of r'],
  ['do $$ declare r record := f((select x from t)); begin null; end $$', 'do block: the value of x'],
]

const SILENT = [
  "do $$ begin if (select count(*) from t) > 3 then raise notice 'many'; end if; end $$",
  'do $$ declare r record; begin for r in select x from t loop update t set x = r.x; end loop; end $$',
  "do $$ begin execute format('update %I set x = 1', (select x from t)); end $$",
  'select g(x) from t',
  'insert into t select g(x) from t',
  "do $$ declare a int[] := '{{1,2}}'; begin null; end $$",
]

test('foldFiles: code that rows or the clock decide is unknown where it may change the schema, and only there', async () => {
  const base = `create table t (x text);
    create function f(x text) returns void language plpgsql as $$ begin execute x; end $$;
    create function g(x text) returns text language plpgsql as $$ begin delete from t; return x; end $$;`

  const found: [string, string[]][] = []
  for (const sql of [...OPEN.map(([own]) => own), ...SILENT]) {
    const { unknown } = await foldFiles([{ path: 'x.sql', text: `${base}\n${sql}` }])
    found.push([sql, unknown.map(({ reason }) => reason)])
  }

  assert.deepEqual(found, [...OPEN.map(([sql, reason]) => [sql, [reason]]), ...SILENT.map((sql) => [sql, []])])
})
