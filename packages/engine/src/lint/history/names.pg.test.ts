import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { connect, type Connection, type Database } from '@imhotep/postgres'
import { emptyDatabase, type TestDatabase } from '../../../../../tests/support/database.ts'
import { lintFiles } from '../lint-files.ts'
import { lintRules } from '../rules/index.ts'

const BASE = `
  create type mood as enum ('good', 'bad');
  create type pair as (x int, y int);
  create domain positive as int check (value > 0);
  create table beds (id bigint primary key);
  create table wards (
    id bigint primary key, code int unique, bed_id int references beds (id), floor int check (floor > 0), note text not null,
    constraint floors check (floor < 90), constraint note_there check (note <> '' or code > 0), check (code > floor)
  );
  create index wards_note on wards (note);
  create index on wards (floor);
  create unique index wards_key on wards (floor);
  create view free as select id from beds;
  create materialized view totals as select count(*) as n from beds;
  create sequence numbers;
  create function surface(int) returns int language sql as 'select 1';
  create function size(int) returns int language sql as 'select 1';
  create function checked() returns trigger language plpgsql as 'begin return new; end';
  create trigger checked before insert on wards for each row execute function checked();
  create constraint trigger late after insert on wards for each row execute function checked();
  create policy own on wards using (true);
  create rule silent as on delete to wards do instead nothing;
  create table heirs () inherits (wards);
  create table visits (at date not null, ward int references wards (code), check (ward > 0), unique (at, ward)) partition by range (at);
  create table visits_2024 partition of visits for values from ('2024-01-01') to ('2025-01-01');
  create table copies (like wards including all);
  create table wards_bed (id int references beds (id));
  create table a_b (c bigint references beds (id));
  create table a (b_c bigint references beds (id));
  create index a_b_fkey on a (b_c);
  alter table a add column b bigint references beds (id);
  create schema other;
  create table other.beds (id int);
  create table other.x (id int);
  create index wards_code_key on other.x (id);
  create view other.free as select 1 as n;
  create type other.mood as enum ('good');
  create type other.wards_bed as enum ('good');
  create function other.size(int) returns int language sql as 'select 1';
  create table halls (id int, code int unique);
  create table parts (at date, id int) partition by range (at);
  create schema empty;
  create publication news for table beds;`

/** Names that are given twice, or are not there. */
const statements: (string | { readonly text: string; readonly since: number })[] = [
  'alter table wards add constraint wards_code_key unique (bed_id)',
  'alter table wards add constraint wards_pkey unique (bed_id)',
  'alter table wards add constraint floors check (bed_id > 0)',
  'alter table wards add constraint wards_floor_check check (bed_id > 0)',
  'alter table wards add constraint wards_check check (bed_id > 0)',
  'alter table wards add constraint wards_check1 check (bed_id > 0)',
  'alter table wards add constraint wards_bed_id_fkey check (bed_id > 0)',
  'alter table wards add constraint wards_note check (bed_id > 0)',
  'alter table wards add constraint wards_note unique (bed_id)',
  'alter table wards add constraint beds unique (bed_id)',
  'alter table wards add constraint beds check (bed_id > 0)',
  'alter table wards add constraint numbers primary key using index wards_key',
  'alter table wards add constraint wards_key unique using index wards_key',
  'alter table wards drop constraint floors, add constraint floors check (floor < 80)',
  'alter table wards add constraint floors check (floor < 80), drop constraint floors',
  'alter table wards drop column code cascade, add column code int constraint wards_code_key unique',
  'alter table wards add column n int constraint floors check (n > 1)',
  'alter table wards add column if not exists note text constraint floors check (note > $$$$)',
  'alter table heirs add constraint floors check (floor < 90)',
  'create table rooms (id int constraint wards_pkey primary key)',
  'create table rooms (id int constraint floors check (id > 1))',
  'create table rooms (id int, constraint wards_note unique (id))',
  'create table if not exists beds (id bigint constraint wards_pkey primary key)',
  'alter table wards drop constraint floors',
  'alter table wards drop constraint wards_code_key cascade',
  'alter table wards drop constraint wards_bed_id_fkey',
  'alter table wards drop constraint wards_check',
  'alter table wards drop constraint roofs',
  'alter table wards drop constraint if exists roofs',
  'alter table wards drop constraint wards_note',
  'alter table wards validate constraint roofs',
  'alter table wards rename constraint roofs to x',
  'alter table wards rename constraint floors to roofs',
  'alter table wards rename constraint floors to wards_floor_check',
  'alter table wards alter constraint roofs deferrable',
  'alter table visits drop constraint visits_ward_fkey',
  'alter table visits drop constraint visits_ward_check',
  'alter table visits drop constraint visits_at_ward_key',
  'alter table copies drop constraint floors',
  'alter table copies drop constraint copies_pkey',
  'alter table copies drop constraint copies_code_key',
  'alter table wards_bed drop constraint wards_bed_id_fkey',
  'alter table wards_bed drop constraint wards_bed_id_fkey1',
  'alter table a_b drop constraint a_b_c_fkey',
  'alter table a drop constraint a_b_c_fkey',
  'alter table a drop constraint a_b_c_fkey1',
  'alter table a drop constraint a_b_fkey',
  'alter table a drop constraint a_b_fkey1',
  { text: 'alter table wards drop constraint wards_note_not_null', since: 18 },
  { text: 'alter table wards add constraint x not null bed_id; alter table wards drop constraint x', since: 18 },
  "alter type mood add value 'good'",
  "alter type mood add value if not exists 'good'",
  "alter type mood add value 'fair' after 'good'",
  "alter type mood add value 'fair' after 'grand'",
  "alter type mood rename value 'grand' to 'fair'",
  "alter type mood rename value 'good' to 'bad'",
  "alter type mood rename value 'good' to 'fair'",
  "alter type mud add value 'fair'",
  'drop index wards_note',
  'drop index wards_floor_idx',
  'drop index nothing',
  'drop index if exists nothing',
  'drop index wards_note, nothing',
  'drop type pair',
  'drop type nothing',
  'drop type if exists nothing',
  'drop domain positive',
  'drop domain nothing',
  'drop function surface(int)',
  'drop function surface',
  'drop function nothing(int)',
  'drop function if exists nothing(int)',
  'drop function nothing',
  'drop trigger checked on wards',
  'drop trigger nothing on wards',
  'drop trigger if exists nothing on wards',
  'drop policy own on wards',
  'drop policy nothing on wards',
  'drop rule silent on wards',
  'drop rule nothing on wards',
  'drop view nothing',
  'drop materialized view nothing',
  'drop sequence nothing',
  'alter policy nothing on wards using (true)',
  'alter table wards rename to rooms',
  'alter table wards rename to beds',
  'alter table wards rename to free',
  'alter table wards rename to wards_note',
  'alter table wards rename to mood',
  'alter table wards rename to pair',
  'alter table if exists nothing rename to beds',
  'alter view free rename to totals',
  'alter view free rename to positive',
  'alter materialized view totals rename to beds',
  'alter sequence numbers rename to beds',
  'alter sequence numbers rename to mood',
  'alter sequence numbers rename to pair',
  'alter index wards_note rename to wards_pkey',
  'alter index wards_note rename to beds',
  'alter index wards_note rename to mood',
  'alter index wards_note rename to pair',
  'alter index wards_note rename to notes',
  'alter table wards rename column note to code',
  'alter table wards rename column note to notes',
  'alter type mood rename to positive',
  'alter type mood rename to beds',
  'alter type mood rename to numbers',
  'alter type mood rename to wards_note',
  'alter type mood rename to moods',
  'alter type nothing rename to moods',
  'alter domain nothing rename to moods',
  'alter function surface(int) rename to size',
  'alter function surface(int) rename to areas',
  'alter function nothing(int) rename to areas',
  'alter trigger checked on wards rename to late',
  'alter trigger checked on wards rename to early',
  'alter trigger nothing on wards rename to early',
  'alter policy own on wards rename to own',
  'alter policy own on wards rename to all_rows',
  'alter policy nothing on wards rename to all_rows',
  'alter table beds set schema other',
  'alter table if exists beds set schema other',
  'alter table beds set schema public',
  'alter table wards set schema other',
  'alter table halls set schema other',
  'alter table wards_bed set schema other',
  'alter table nothing set schema other',
  'alter view free set schema other',
  'alter sequence numbers set schema other',
  'alter type mood set schema other',
  'alter type mood set schema public',
  'alter domain positive set schema other',
  'alter function size(int) set schema other',
  'alter function surface(int) set schema other',
  'drop schema empty',
  'drop schema nothing',
  'drop schema if exists nothing',
  'drop schema empty, nothing',
  'drop schema empty; drop schema empty',
  'create extension btree_gist; drop extension btree_gist',
  'drop extension nothing',
  'drop extension if exists nothing',
  'create extension btree_gist; drop extension btree_gist; drop extension btree_gist',
  'create extension btree_gist; drop schema public cascade; drop extension btree_gist',
  'drop publication news',
  'drop publication nothing',
  'drop publication if exists nothing',
  'drop publication news; drop publication news',
  'alter publication news rename to late; drop publication news',
  'create table t (at date, id int primary key) partition by range (at)',
  'create table t (at date primary key, id int) partition by range (at)',
  'create table t (at date, id int, primary key (id, at)) partition by range (at)',
  'create table t (at date, id int, unique (id)) partition by range (at)',
  'create table t (at date, id int unique) partition by hash (at, id)',
  'create table t (at date, id int, unique (at, id)) partition by hash (at, id)',
  'create table t (at date, id int unique) partition by hash (abs(id))',
  'create table t (at date, id int) partition by hash (abs(id))',
  'create table t (at date, id int unique)',
  'alter table parts add primary key (id)',
  'alter table parts add primary key (id, at)',
  'alter table parts add constraint k unique (id)',
  'alter table parts add column n int unique',
  'alter table parts add column n int',
  'create unique index on parts (id)',
  'create unique index on parts (id, at)',
  'create unique index on parts (lower($$$$), at)',
  'create unique index on parts (id) include (at)',
  'create index on parts (id)',
  "create table v (at date, id int, unique (at)) partition by range (at); create table v1 partition of v for values from ('2024-01-01') to ('2025-01-01') partition by list (id)",
  "create table v (at date, id int, unique (at, id)) partition by range (at); create table v1 partition of v for values from ('2024-01-01') to ('2025-01-01') partition by list (id)",
  'create index beds on wards (code)',
  'create index free on wards (code)',
  'create index numbers on wards (code)',
  'create index mood on wards (code)',
  'create index pair on wards (code)',
  'create index wards_pkey on wards (code)',
  'create index if not exists beds on wards (code)',
  'create view beds as select 1 as n',
  'create view numbers as select 1 as n',
  'create view wards_note as select 1 as n',
  'create view mood as select 1 as n',
  'create or replace view beds as select 1 as n',
  'create or replace view totals as select 1 as n',
  'create or replace view free as select id from beds',
  'create materialized view totals as select 1 as n',
  'create materialized view beds as select 1 as n',
  'create materialized view if not exists totals as select 1 as n',
  'create sequence beds',
  'create sequence wards_note',
  'create sequence mood',
  'create sequence pair',
  'create sequence if not exists beds',
  "create type beds as enum ('a')",
  "create type free as enum ('a')",
  "create type numbers as enum ('a')",
  "create type wards_note as enum ('a')",
  "create type pair as enum ('a')",
  'create type beds as (x int)',
  'create type numbers as (x int)',
  'create type wards_note as (x int)',
  'create type mood as (x int)',
  'create domain beds as int',
  'create domain numbers as int',
  'create table mood (x int)',
  'create table pair (x int)',
  'create table numbers (x int)',
  'create table wards_note (x int)',
  'create table if not exists free (x int)',
  'create table beds as select 1 as n',
  'create table if not exists beds as select 1 as n',
  'create table mood as select 1 as n',
  'create temporary table beds (id int)',
  'create temporary table beds as select 1 as n',
]

let empty: TestDatabase
let database: Database
let connection: Connection

before(async () => {
  empty = await emptyDatabase()
  database = connect(empty.url, { max: 1 })
  connection = await database.dedicated()
})

beforeEach(() =>
  connection.script(
    `discard temporary; drop schema public cascade; drop schema if exists other cascade; drop schema if exists empty; drop publication if exists news; drop publication if exists late; create schema public; ${BASE}`,
  ),
)

after(async () => {
  await connection.release()
  await database.close()
  await empty.drop()
})

for (const item of statements) {
  const { text, since } = typeof item === 'string' ? { text: item, since: 15 } : item
  test(`history: ${text}: a rule fires exactly when PostgreSQL refuses the name`, async (t) => {
    if (empty.serverVersion < since) return t.skip(`needs PostgreSQL ${since}`)

    const told = await messagesOf(text)
    const error = await connection.script(text).then(
      () => null,
      (reason: unknown) => String(reason),
    )

    assert.equal(told.length > 0, error !== null, `rules: ${told.join(', ')}; server: ${error}`)
  })
}

async function messagesOf(text: string): Promise<string[]> {
  const { findings } = await lintFiles(
    [
      { path: 'V001__base.sql', text: BASE },
      { path: 'V002__change.sql', text },
    ],
    { rules: lintRules, since: '1', serverVersion: empty.serverVersion },
  )
  return findings.flatMap(({ family, rule, message }) => (family === 'history' ? `${rule}: ${message}` : []))
}
