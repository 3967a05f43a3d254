import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '@imhotep/postgres'
import { emptyDatabase } from '../../../../tests/support/database.ts'
import { bothCatalogs } from './both-catalogs.fixture.ts'
import type { Catalog } from './model.ts'

/** Histories that change what they made; the catalog of their text must be that of the server, with nothing unknown. */
const CASES: Record<string, string> = {
  'a renamed column reaches checks, policies, indexes, triggers, views, keys': `
    create schema a;
    create function a.f() returns trigger language plpgsql as $$ begin return new; end $$;
    create table a.p (id int primary key, state text);
    create table a.t (
      x int check (x > 0), y text default 'x', p int references a.p (id), g int generated always as (x * 2) stored,
      constraint pair check (x > 1 and y <> 'x'), unique (x, y), exclude using btree (x with =)
    );
    create table a.x (id int, y text);
    create index t_x on a.t (lower(y), (x + 1)) include (x) where x > 5;
    create policy q on a.t using (x > 1 and exists (select from a.x where a.x.id = t.x and y is not null)) with check (t.x < 9);
    create trigger g before update of x on a.t for each row when (old.x is distinct from new.x) execute function a.f();
    create view a.v as select x, t.y, t.x + 1 as z, (select max(x.id) from a.x where x.id = t.x) as m from a.t order by x;
    create materialized view a.m as select t.x as one from a.t where x > 3 group by t.x;
    create rule r as on insert to a.t where new.x < 0 do instead nothing;
    create statistics a.s on x, y from a.t;
    create publication pub for table a.t (x, y) where (x > 1);
    grant select (x) on a.t to pg_monitor;
    create sequence a.q owned by a.t.x;
    alter table a.t rename column x to amount;
    alter table a.p rename id to key;
    create view a.late as select amount, y from a.t;`,
  'a renamed column keeps the columns of views': `
    create schema a;
    create table a.t (id int, name text);
    create table a.u (id int, t_id int);
    create view a.star as select * from a.t;
    create view a.joined as select t.*, u.id as u_id from a.t t join a.u u on u.t_id = t.id;
    create view a.with_cte as with c as (select id, name from a.t) select c.id, c.name from c;
    create view a.subselect as select s.id from (select id, upper(name) as big from a.t) s where s.big <> '';
    create view a.united as select id from a.t union all select id from a.u;
    alter table a.t rename id to key;
    alter table a.t add column more int;
    alter view a.star rename column name to title;
    create or replace view a.joined as select t.key as id, t.name, u.id as u_id, 1 as one from a.t t join a.u u on u.t_id = t.key;`,
  'a renamed table, sequence, function, type reaches what names it': `
    create schema a;
    create type a.kind as enum ('x', 'y');
    create domain a.code as text check (value <> '') default 'none';
    create sequence a.numbers;
    create function a.half(x int) returns int language sql immutable as 'select $1 / 2';
    create function a.half(x int, y int) returns int language sql immutable as 'select 1';
    create function a.touch() returns trigger language plpgsql as $$ begin return new; end $$;
    create table a.old (
      id int default nextval('a.numbers'), k a.kind default 'x'::a.kind, c a.code, ks a.kind[],
      h int generated always as (a.half(id)) stored, check (a.half(id) > 0), check (k <> 'y'::a.kind)
    );
    create table a.child (old_id int, primary key (old_id));
    alter table a.old add primary key (id);
    alter table a.child add foreign key (old_id) references a.old;
    create index old_half on a.old (a.half(id));
    create trigger touch before update on a.old for each row execute function a.touch();
    create view a.v as select old.id, old.k, a.half(old.id) as h, 'y'::a.kind as y from a.old where old.k = 'x'::a.kind;
    create policy p on a.child using (exists (select from a.old o where o.id = old_id));
    create function a.g(k a.kind, o a.old) returns setof a.old language sql as 'select null::a.old';
    create statistics a.s (ndistinct) on id, k from a.old;
    alter table a.old rename to fresh;
    alter sequence a.numbers rename to counter;
    alter function a.half(int) rename to halved;
    alter function a.touch() rename to touched;
    alter type a.kind rename to sort;
    alter domain a.code rename to code_text;
    alter domain a.code_text rename constraint code_check to not_empty;
    alter view a.v rename to w;
    alter index a.old_half rename to fresh_half;
    alter table a.fresh rename constraint old_id_check to halves;
    alter policy p on a.child rename to mine;
    alter trigger touch on a.fresh rename to touching;`,
  'objects move to another schema, and a schema changes its name': `
    create schema a;
    create schema b;
    create type a.kind as enum ('x');
    create function a.f(int) returns int language sql immutable as 'select 1';
    create function a.t() returns trigger language plpgsql as $$ begin return new; end $$;
    create table a.one (id serial primary key, n int generated by default as identity, k a.kind default 'x'::a.kind, check (a.f(id) > 0));
    create table a.two (one_id int references a.one, k a.kind);
    create view a.v as select one.id, a.f(one.id) as f from a.one;
    create trigger t before insert on a.two for each row execute function a.t();
    create statistics a.s on one_id, k from a.two;
    create sequence a.q;
    alter table a.one set schema b;
    alter function a.f(int) set schema b;
    alter type a.kind set schema b;
    alter view a.v set schema b;
    alter sequence a.q set schema b;
    alter statistics a.s set schema b;
    create schema c;
    create table c.x (k b.kind, o int references b.one);
    create view c.v as select x.k, b.f(x.o) from c.x;
    create function c.g(b.kind) returns b.kind language sql as 'select $1';
    alter schema b rename to d;
    alter schema c rename to e;
    alter table a.two add column d2 int default d.f(1);`,
  'drop .. cascade takes along what depends on it': `
    create schema a;
    create schema gone;
    create type a.kind as enum ('x');
    create domain a.kind2 as a.kind;
    create sequence a.q;
    create function a.f(int) returns int language sql immutable as 'select 1';
    create function a.trg() returns trigger language plpgsql as $$ begin return new; end $$;
    create table a.p (id int primary key, other int unique);
    create table a.t (
      x int default nextval('a.q'), k a.kind, k2 a.kind2, p int references a.p, o int references a.p (other), f int check (a.f(f) > 0),
      fd int default a.f(1), y int, z int
    );
    create index t_f on a.t (a.f(x));
    create index t_yz on a.t (y) where z > 0;
    create view a.v1 as select x, y from a.t;
    create view a.v2 as select v1.x from a.v1;
    create view a.v3 as select k from a.t;
    create view a.v4 as select a.f(x) from a.t;
    create view a.v5 as select z from a.t;
    create view a.v6 as select id from a.p;
    create policy pf on a.t using (a.f(x) > 1);
    create policy pz on a.t using (z > 1);
    create trigger trg before insert on a.t for each row execute function a.trg();
    create function a.g(a.kind) returns int language sql as 'select 1';
    create table gone.t (id int primary key, x serial);
    create table a.uses_gone (id int references gone.t);
    create view a.over_gone as select id from gone.t;
    create materialized view a.mat as select y from a.t;
    drop sequence a.q cascade;
    drop function a.f(int) cascade;
    drop type a.kind cascade;
    drop function a.trg() cascade;
    drop view a.v1 cascade;
    alter table a.t drop column z cascade;
    alter table a.p drop constraint p_other_key cascade;
    drop table a.p cascade;
    drop schema gone cascade;
    drop materialized view a.mat;`,
  inheritance: `
    create schema a;
    create table a.p (id int not null, x text default 'p', check (id > 0), primary key (id));
    create table a.q (y int, x text);
    create table a.c (z int, x text not null) inherits (a.p, a.q);
    create index p_x on a.p (x);
    alter table a.p add column later int default 1;
    alter table a.p add constraint positive check (later > 0);
    alter table a.p alter column x set default 'q';
    alter table only a.p alter column x set default 'only';
    alter table a.p rename column later to even_later;
    create table a.d (id int not null, x text, even_later int, constraint p_id_check check (id > 0), constraint positive check (even_later > 0));
    alter table a.d inherit a.p;
    alter table a.c no inherit a.q;
    alter table a.p drop column even_later;
    alter table a.p add constraint alone check (id < 100) no inherit;`,
  'create table .. like': `
    create schema a;
    create sequence a.q;
    create table a.s (
      id int generated always as identity, n int default nextval('a.q'), g int generated always as (n * 2) stored,
      t text not null, c text collate "C", u int unique, check (n > 0), primary key (id, n), unique (n, t)
    );
    alter table a.s alter t set storage external;
    create index s_lower on a.s (lower(t)) where n > 1;
    create statistics a.st on n, t from a.s;
    comment on column a.s.t is 'text';
    comment on index a.s_lower is 'lower';
    comment on constraint s_n_check on a.s is 'positive';
    create table a.plain (like a.s);
    create table a.most (before int, like a.s including defaults including constraints including indexes including comments, behind int);
    create table a.whole (like a.s including all);
    create table a.but (like a.s including all excluding indexes excluding identity excluding statistics);`,
  'storage, statistics, replica identity, options, identity, generated columns': `
    create schema a;
    create table a.t (id int generated always as identity (start with 10 increment by 5 cache 3), x text, y text not null, g int) with (fillfactor = 70, autovacuum_enabled = false);
    create unique index t_y on a.t (y) with (fillfactor = 80);
    create index t_x on a.t (x collate "C", y collate "C" text_pattern_ops);
    alter table a.t set (fillfactor = 60, toast_tuple_target = 200), reset (autovacuum_enabled);
    alter table a.t alter x set storage external, alter x set statistics 500, alter y set (n_distinct = -0.5), alter y set compression pglz;
    alter table a.t replica identity using index t_y;
    alter table a.t alter id set generated by default set start with 20 set cycle;
    alter table a.t alter g set not null;
    alter table a.t alter g add generated by default as identity (minvalue 0 start with 0);
    alter table a.t alter g type bigint;
    alter index a.t_y set (fillfactor = 75);
    alter index a.t_x reset (fillfactor);
    create table a.u (x int);
    alter table a.u replica identity full;
    alter table a.u alter x set not null, alter x add generated always as identity;
    alter table a.u alter x drop identity;
    create unlogged table a.w (x int, y int generated always as (x + 1) stored);
    alter table a.w set logged;
    alter table a.w alter y drop expression;
    create materialized view a.m with (fillfactor = 50) as select 1 as x;
    alter view if exists a.nothing set (security_invoker = true);`,
  'constraints: using index, deferrable, validate, not valid, keys of partitions': `
    create schema a;
    create table a.t (x int not null, y int, z int);
    create unique index t_one on a.t (x) include (z);
    create unique index t_two on a.t (y);
    alter table a.t add constraint t_key primary key using index t_one, add unique using index t_two deferrable;
    create table a.u (t int, constraint u_t foreign key (t) references a.t deferrable initially deferred);
    alter table a.u alter constraint u_t not deferrable;
    alter table a.u add constraint late check (t > 0) not valid;
    alter table a.u validate constraint late;
    alter table a.u add check (t < 100), add constraint odd check (t % 2 = 1) not valid;
    create table a.m (id int, d date, primary key (id, d)) partition by range (d);
    create table a.m1 partition of a.m for values from ('2020-01-01') to ('2021-01-01');
    create table a.m2 (id int not null, d date not null, primary key (id, d));
    alter table a.m attach partition a.m2 for values from ('2021-01-01') to ('2022-01-01');
    create index m_d on only a.m (d);
    create index m1_own on a.m1 (d);
    create index m2_own on a.m2 (d);
    alter index a.m_d attach partition a.m1_own;
    alter index a.m_d attach partition a.m2_own;
    create index m_id on a.m (id);
    drop index a.m_id;
    alter table a.m add constraint m_pos check (id > 0);
    alter table a.m detach partition a.m1;
    alter table a.m drop constraint m_pos;
    alter table a.m add unique (d, id);
    alter table a.m drop constraint m_d_id_key;`,
  'a column gets another type and collation': `
    create schema a;
    create collation a.german from "C";
    create table a.t (one text, two text collate "C", three varchar(9));
    alter table a.t alter one type text collate "C";
    alter table a.t alter two type text;
    alter table a.t alter three type varchar(20) collate a.german;`,
  'types, domains, sequences and functions change': `
    create schema a;
    create type a.pair as (x int, y text);
    alter type a.pair add attribute z int, drop attribute y, alter attribute x type bigint;
    alter type a.pair rename attribute z to zz;
    comment on column a.pair.zz is 'z';
    create domain a.d as text collate "C" default 'a' check (value <> '');
    alter domain a.d set default 'b';
    alter domain a.d set not null;
    alter domain a.d add constraint short check (length(value) < 9) not valid;
    alter domain a.d validate constraint short;
    alter domain a.d drop constraint d_check;
    comment on constraint short on domain a.d is 'short';
    create domain a.e as int not null default 1;
    alter domain a.e drop default;
    alter domain a.e drop not null;
    create sequence a.s as integer increment by -2 minvalue -100 maxvalue 50 start 10 cache 7 cycle;
    alter sequence a.s increment by 3 no cycle restart with 5 no minvalue;
    create sequence a.down increment -1;
    alter sequence a.down as smallint;
    create sequence a.big;
    alter sequence a.big as integer start with 3;
    create function a.f(x int) returns setof int language sql rows 10 cost 5 as 'select 1';
    alter function a.f(int) stable strict security definer parallel safe cost 50 rows 20;
    alter function a.f(int) set search_path = '';
    alter function a.f(int) set work_mem to '8MB';
    alter function a.f(int) reset work_mem;
    create procedure a.p() language plpgsql as $$ begin end $$;
    alter procedure a.p() security definer;
    create function a.last(int, int) returns int language sql immutable as 'select $2';
    create function a.plus(int) returns text language sql immutable as $$ select $1::text $$;
    create aggregate a.final(int) (sfunc = a.last, stype = int, initcond = '0', finalfunc = a.plus);`,
  'rules, statistics, publications, event triggers, default privileges': `
    create schema a;
    create table a.t (x int, y text, z int);
    create table a.u (x int);
    create rule nothing as on delete to a.t do instead nothing;
    create rule log as on insert to a.t where new.x > 1 do also insert into a.u (x) values (new.x);
    create rule gone as on update to a.u do instead nothing;
    drop rule gone on a.u;
    comment on rule nothing on a.t is 'r';
    alter table a.t disable rule log;
    alter rule nothing on a.t rename to never;
    create statistics a.one (ndistinct, mcv) on y, x from a.t;
    create statistics a.two on (x + z) from a.t;
    create statistics a.three on x, z from a.t;
    create statistics a.four on lower(y), x from a.t;
    comment on statistics a.one is 's';
    alter statistics a.one rename to uno;
    drop statistics a.two;
    create publication p1 for table a.t (x, y) where (x > 1), a.u with (publish = 'insert, update');
    create publication p2 for tables in schema a with (publish_via_partition_root);
    create publication p3;
    alter publication p3 add table a.u;
    alter publication p3 set (publish = 'delete');
    alter publication p1 drop table a.u;
    alter publication p3 rename to p4;
    comment on publication p1 is 'p';
    create function a.e() returns event_trigger language plpgsql as $$ begin end $$;
    create event trigger ev on ddl_command_end when tag in ('CREATE TABLE', 'ALTER TABLE') execute function a.e();
    create event trigger ev2 on sql_drop execute function a.e();
    alter event trigger ev disable;
    alter event trigger ev2 enable always;
    comment on event trigger ev is 'e';
    alter default privileges in schema a grant select, insert on tables to pg_monitor with grant option;
    alter default privileges in schema a revoke insert on tables from pg_monitor;
    alter default privileges revoke execute on functions from public;
    alter default privileges for role pg_monitor in schema a grant usage on sequences to pg_read_all_stats;
    alter default privileges grant usage on schemas to pg_monitor;
    alter default privileges revoke usage on types from public;
    alter default privileges grant usage on types to public;
    create table a.after (x int);
    create sequence a.after_seq;
    create function a.after() returns int language sql as 'select 1';
    create schema b;`,
  'other kinds are kept whole': `
    create schema a;
    create collation a.de (provider = icu, locale = 'de-DE');
    create collation a.gone from "C";
    drop collation a.gone;
    create type a.box as (x int);
    create function a.box_text(a.box) returns text language sql immutable as $$ select '' $$;
    create cast (a.box as text) with function a.box_text(a.box) as assignment;
    create function a.eq(a.box, a.box) returns bool language sql immutable as 'select true';
    create operator a.=== (leftarg = a.box, rightarg = a.box, function = a.eq);
    create text search configuration a.plain (copy = pg_catalog.simple);
    create text search dictionary a.dict (template = pg_catalog.simple);
    create foreign data wrapper fdw;
    create server far foreign data wrapper fdw;
    create foreign table a.remote (x int not null, y text) server far;
    comment on collation a.de is 'c';
    grant usage on foreign server far to pg_monitor with grant option;
    revoke grant option for all on foreign server far from pg_monitor;
    grant usage on foreign data wrapper fdw to public;
    grant select on all tables in schema a to pg_monitor;
    grant update (x), insert on a.remote to pg_monitor;
    revoke insert on a.remote from pg_monitor;
    comment on foreign table a.remote is 'f';
    comment on operator a.=== (a.box, a.box) is 'o';
    comment on cast (a.box as text) is 'k';
    alter collation a.de rename to german;
    alter text search configuration a.plain set schema public;
    create table a.t (x text collate a.german);
    create index t_x on a.t (x collate "C");`,
  'triggers and comments on views, rules of views, comments on their columns': `
    create schema a;
    create table a.t (x int, y text);
    create view a.v (one, two) with (security_barrier) as select x, y from a.t where x > 0 with cascaded check option;
    create function a.f() returns trigger language plpgsql as $$ begin return new; end $$;
    create trigger ins instead of insert on a.v for each row execute function a.f();
    comment on column a.v.two is 'second';
    comment on view a.v is 'view';
    comment on trigger ins on a.v is 'trigger';
    alter view a.v set (security_invoker = true, check_option = local);
    alter view a.v reset (security_barrier);
    create materialized view a.m as select count(*) as n from a.t with no data;
    refresh materialized view a.m;
    comment on column a.m.n is 'count';
    create unique index m_n on a.m (n);
    alter materialized view a.m rename to mm;
    alter materialized view a.mm rename column n to total;
    create constraint trigger ct after insert on a.t deferrable initially deferred for each row execute function a.f();`,
  'the search path of the file decides what names mean': `
    create schema a;
    create schema b;
    set search_path = a, public;
    create type kind as enum ('x');
    create sequence q;
    create function f(x int, k kind default 'x'::kind) returns int language sql immutable as 'select 1';
    create table p (id int primary key);
    create table t (id int default nextval('q'), k kind not null default 'x'::kind, p int references p, g int generated always as (f(id)) stored, check (f(id) > 0), s serial);
    create index on t (f(id)) where k = 'x'::kind;
    create view v as select t.id, f(t.id) from t join p on p.id = t.p;
    create policy own on t using (exists (select from p where p.id = t.p));
    create function trg() returns trigger language plpgsql as $$ begin return new; end $$;
    create trigger trg before insert on t for each row execute function trg();
    comment on table t is 'mine';
    grant select on t to pg_monitor;
    set search_path to b, a;
    create table u (k kind, t int);
    create table t (x int);
    alter table t add column y int;
    alter table v rename to w;
    drop view w;
    select pg_catalog.set_config('search_path', '', false);
    create table public.z (k a.kind default 'x'::a.kind);
    reset search_path;
    create table in_public (x int);
    begin;
    set local search_path = b;
    create table in_b (x int);
    commit;
    create table again_public (x int);`,
  'what a rollback takes back was never there': `
    create table kept (x int);
    begin;
    create table undone (x int);
    alter table kept add column y int;
    rollback;
    begin;
    create table first (x int);
    savepoint s;
    create table second (x int);
    rollback to s;
    create table third (x int);
    commit;`,
  'quoted names': `
    create schema "My Schema";
    create type "My Schema"."Kind" as enum ('A');
    create table "My Schema"."Tab" (
      "Id" serial primary key, k "My Schema"."Kind" default 'A'::"My Schema"."Kind", "Sel" int references "My Schema"."Tab" ("Id"), check ("Id" > 0)
    );
    create index on "My Schema"."Tab" ("Sel", abs("Id"));
    create view "My Schema"."V" as select "Id", "Tab"."Sel" from "My Schema"."Tab";
    alter table "My Schema"."Tab" rename "Id" to "order";
    alter table "My Schema"."Tab" rename to "user";
    alter type "My Schema"."Kind" rename to "group";
    create function "My Schema"."Fn"("A" "My Schema"."group", b int default 1) returns "My Schema"."group" language sql as 'select $1';
    comment on function "My Schema"."Fn" is 'x';
    alter table "My Schema"."user" alter "order" drop default;
    create policy "P p" on "My Schema"."user" using ("order" = 1);
    comment on column "My Schema"."V"."Id" is 'v';`,
  'a tree of partitions changes': `
    create schema a;
    create function a.f() returns trigger language plpgsql as $$ begin return new; end $$;
    create table a.m (id bigint generated by default as identity, at timestamptz not null, k text collate "C", primary key (id, at)) partition by range (at);
    create table a.m1 partition of a.m for values from ('2020-01-01') to ('2021-01-01') partition by hash (id);
    create table a.m1a partition of a.m1 for values with (modulus 2, remainder 0) with (fillfactor = 50);
    create table a.m1b partition of a.m1 for values with (modulus 2, remainder 1);
    create table a.m2 (k text collate "C" not null, id bigint not null, at timestamptz not null);
    create index m_k on a.m (k) where k <> 'x';
    create trigger t after insert on a.m for each row execute function a.f();
    alter table a.m add column extra int default 3 check (extra > 0);
    alter table a.m alter k set not null;
    alter table a.m rename extra to more;
    alter table a.m1 add constraint own check (k <> 'zz');
    alter table a.m disable trigger t;
    alter trigger t on a.m rename to tt;
    create unique index m_u on a.m (at, id, k);
    alter index a.m_u rename to m_uu;
    alter table a.m drop column more;
    alter table a.m attach partition a.m2 for values from ('2021-01-01') to ('2022-01-01');
    drop trigger tt on a.m;
    alter table a.m detach partition a.m2;
    drop index a.m_k;
    drop table a.m1;`,
  'views of every form follow renames': `
    create schema a;
    create table a.t (id int, n text);
    create view a.v as (select id, n from a.t where id in (select id from a.t t2 where t2.n = t.n));
    create view a.w as with recursive r(i) as (select 1 union all select i + 1 from r where i < 5) select r.i, t.n from r left join a.t on t.id = r.i;
    create view a.y as select *, row_number() over (partition by n order by id) from a.t;
    create view a.z as values (1, 'a'), (2, 'b');
    create view a.l as select t.id, s.c from a.t, lateral (select count(*) c from a.t i where i.id < t.id) s;
    create view a.j as select t.* from a.t join a.v using (id);
    create view a.k as select * from a.w natural join a.z;
    alter table a.t rename n to name;
    alter table a.t rename to tt;
    alter schema a rename to b;
    create view b.all_of as select * from b.w;`,
  'operator families and classes get other names': `
    create schema a;
    create schema b;
    create operator family a.f using btree;
    create operator class a.c for type int4 using hash as operator 1 =, function 1 hashint4(int4);
    alter operator family a.f using btree rename to g;
    alter operator class a.c using hash rename to d;
    alter operator family a.g using btree set schema b;
    alter operator family b.g using btree owner to pg_monitor;
    alter operator family a.c using hash rename to e;`,
  'defaults of a view': `
    create schema a;
    create function a.f(int) returns int language sql as 'select 1';
    create table a.t (id int, name text, at date);
    create view a.v as select id, name, at from a.t;
    alter view a.v alter column name set default 'x' || 'y', alter id set default a.f(1);
    alter view a.v alter at set default now();
    alter view a.v alter at drop default;
    alter table a.v alter column name set default upper('none');
    alter view a.v rename column name to title;
    create or replace view a.v as select id, name as title, at, 1 as n from a.t;
    alter function a.f rename to g;`,
  'keys that partitions have already become those of their parent': `
    create schema a;
    create table a.r (id int primary key, code text unique);
    create table a.p (id int not null, at date, r int, s int, code text) partition by range (at);
    create table a.p1 partition of a.p for values from ('2024-01-01') to ('2025-01-01');
    create table a.p2 partition of a.p for values from ('2025-01-01') to ('2026-01-01') partition by list (at);
    create table a.p3 partition of a.p2 default;
    create table a.p4 partition of a.p default;
    alter table a.p1 add constraint own foreign key (r) references a.r (id);
    alter table a.p1 add constraint other foreign key (s) references a.r (id) on delete cascade;
    alter table a.p3 add constraint deep foreign key (r) references a.r;
    alter table a.p2 add constraint half foreign key (r) references a.r (id);
    alter table a.p4 add constraint late foreign key (r) references a.r (id) deferrable;
    alter table a.p1 add constraint own_key unique (id, at);
    alter table a.p add constraint whole foreign key (r) references a.r (id);
    alter table a.p add foreign key (s) references a.r (id);
    alter table a.p add constraint whole_key unique (id, at);
    create table a.p5 (id int not null, at date, r int, s int, code text, constraint p5_r foreign key (r) references a.r (id), constraint p5_s foreign key (s) references a.r (id) on update cascade, constraint p5_key unique (id, at));
    alter table a.p attach partition a.p5 for values from ('2026-01-01') to ('2027-01-01');
    create table a.q (id int, r int) partition by range (id);
    create table a.q1 partition of a.q for values from (1) to (9);
    alter table a.q1 add constraint q_r foreign key (r) references a.r (id) on delete set null (r);
    alter table a.q add constraint gone foreign key (r) references a.r (id) on delete set null, add constraint stays foreign key (r) references a.r (id);
    alter table a.q1 add constraint late foreign key (r) references a.r (id) on update cascade not valid;
    alter table a.q add constraint whole_late foreign key (r) references a.r (id) on update cascade;
    alter table a.q drop constraint gone;
    create table a.t1 (id int, at date, x int) partition by range (id);
    create table a.t2 partition of a.t1 for values from (1) to (9) partition by range (at);
    create table a.t3 partition of a.t2 for values from ('2024-01-01') to ('2025-01-01') partition by list (x);
    create table a.t4 partition of a.t3 default;
    alter table a.t1 add unique (id, at, x);`,
  'a collation that a type has anyway is none': `
    create schema a;
    create collation a.de (provider = icu, locale = 'de-DE');
    create domain a.plain as text collate "default";
    create domain a.german as text collate a.de;
    create domain a.deeper as a.german;
    create domain a.usual as a.german collate pg_catalog."default";
    create type a.words as range (subtype = text, collation = "default");
    create type a.pair as (x text collate "default", y text collate "C");
    create table a.t (
      x text collate "default", y varchar(9) collate pg_catalog."default", z name collate "C", n name collate "default",
      g a.german collate a.de, h a.german collate "default", i a.deeper collate a.de, j a.usual, k text[] collate "default",
      l a.german[] collate a.de, m text collate "C", o a.plain collate "default"
    );
    create index t_x on a.t (x collate "default");
    create index t_m on a.t (m collate "default", y collate "C", g collate a.de, h collate a.de);
    create index t_e on a.t ((x || y) collate "default", lower(m) collate "C");
    create table a.u (x text collate "C", g text, h a.german);
    alter table a.u alter column x type text collate "default", alter column g type a.german collate a.de, alter column h type text collate "default";
    alter table a.u add column w text collate "default";`,
  'rows are compared column by column': `
    create schema a;
    create table a.t (
      x int, y int, s text, v varchar(9),
      constraint c01 check ((x, y) in ((1, 2), (3, 4))), constraint c02 check ((x, s) not in ((1, 'a'), (2, 'b'))),
      constraint c03 check ((x, y) = (1, 2)), constraint c04 check ((x, y) != (1, 2)), constraint c05 check ((x, y) < (1, 2)),
      constraint c06 check (row(x, v) in (row(1, 'a'), row(y, s))), constraint c07 check ((x, y) in ((1, 2))),
      constraint c08 check ((x, y) is distinct from (1, 2)), constraint c09 check ((x, y) between (1, 2) and (3, 4)),
      constraint c10 check (row(x) in (row(1), row(2))), constraint c11 check ((x, y) not in ((1, 2)) and s is null),
      constraint c12 check ((x, y) is not distinct from (1, 2)), constraint c13 check ((x, y) = any (array[(1, 2), (3, 4)])),
      constraint c14 check (((x, y), s) = ((1, 2), 'a')), constraint c15 check (not (x, y) in ((1, 2), (3, 4)) or s is null),
      constraint c16 check (s is null or (x, y) in ((1, 2), (3, 4)) or (x, y) <> (5, 6))
    );
    create policy p on a.t using ((x, s) in ((1, 'a'), (2, 'b')));
    create index t_x on a.t (y) where (x, y) in ((1, 2), (3, 4));`,
  'create table as, select into': `
    create schema a;
    create table a.t (id int not null, name varchar(9), v numeric(8,2));
    create table a.copy as select * from a.t;
    create table a.some (one, two) as select id, name::text from a.t with no data;
    select id, count(*) as n, v into a.counted from a.t group by id, v;
    create table if not exists a.copy as select 1 as x;
    alter table a.copy add primary key (id);`,
}

for (const [title, sql] of Object.entries(CASES)) {
  test(`foldFiles: what PostgreSQL makes of a history - ${title}`, async () => {
    const { differences, folded } = await bothCatalogs(sql)

    assert.deepEqual(differences, [])
    assert.deepEqual(folded.unknown, [])
  })
}

test('foldFiles: what PostgreSQL makes of a history - memberships of roles and their options', async (t) => {
  const names = ['fold_group', 'fold_other', 'fold_member', 'fold_quiet']
  t.after(async () => {
    await using database = await emptyDatabase()
    const db = connect(database.url)
    for (const name of names) await db.query(`drop role if exists ${name}`)
    await db.close()
  })

  const { live, folded } = await bothCatalogs(`
    ${names.map((name) => `create role ${name} ${name === 'fold_quiet' ? 'noinherit' : ''};`).join('\n')}
    grant fold_group, fold_other to fold_member with admin option;
    revoke admin option for fold_other from fold_member;
    grant fold_group to fold_quiet;
    revoke admin option for fold_other from fold_quiet;`)

  const roles = (catalog: Catalog) =>
    names.map((name) => ({ ...catalog.roles.get(name), position: undefined, grantors: undefined }))
  assert.deepEqual(roles(folded), roles(live))
})
