import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { connect, type Database } from '@imhotep/postgres'
import { emptyDatabase, type TestDatabase } from '../../../../../tests/support/database.ts'
import { parseSql } from '../../parse/parse-sql.ts'
import { lintFiles } from '../lint-files.ts'
import { lintRules } from '../rules/index.ts'

const BASE = `
  create domain amount as numeric check (value >= 0);
  create domain label as text;
  create domain size as int default 1 not null;
  create function volatile_code() returns text language plpgsql volatile as 'begin return ''x''; end';
  create function inlined_code() returns text language sql as 'select upper(''x'')';
  create function random_code() returns text language sql as 'select md5(random()::text)';
  create function read_code() returns text language sql as 'select max(extname)::text from pg_extension';
  create function stable_code() returns text language sql stable as 'select ''x''';
  create table customers (id bigint primary key);
  create table orders (id bigint primary key, n bigint not null, customer_id bigint, total numeric(10,2), code varchar(20), note text, at timestamp, size amount,
    constraint orders_note_there check (note is not null),
    constraint orders_total_there check (total is not null and total > 0),
    constraint orders_at_there check (at is not null) not valid);
  alter table orders add constraint orders_later check (total > 0) not valid;
  alter table orders add constraint orders_code_there check (code is not null) not valid;
  create unique index orders_n on orders (n);
  create unique index orders_code on orders (code);
  create unique index orders_note on orders (note);
  create index orders_lower on orders (lower(code));
  create table keyless (n bigint not null, code varchar(20), note text, constraint keyless_note check (note is not null));
  create unique index keyless_n on keyless (n);
  create unique index keyless_code on keyless (code);
  create unique index keyless_note_key on keyless (note);
  create table bookings (id bigint, during tstzrange);
  create table events (at date not null, note text) partition by range (at);
  create table events_2024 partition of events for values from ('2024-01-01') to ('2025-01-01');
  create table events_2025 (at date not null, note text);
  create table events_2026 (at date not null, note text, constraint in_2026 check (at >= '2026-01-01' and at < '2027-01-01'));
  create table calls (at date, note text) partition by range (at);
  create table calls_2027 (at date, note text, constraint in_2027 check (at >= '2027-01-01' and at < '2028-01-01'));
  create table calls_2028 (at date, note text, constraint in_2028 check (at is not null and at >= '2028-01-01' and at < '2029-01-01'));
  create table hours (n int not null) partition by range (n);
  create table hours_1 (n int not null, constraint within check (n >= 2 and n < 5));
  create table hours_2 (n int not null, constraint without check (n >= 10 and n < 31));
  create table hours_3 (n int not null, constraint open_end check (n >= 40));
  create table regions (code text) partition by list (code);
  create table regions_north (code text not null, constraint in_north check (code in ('n', 'nw')));
  create table regions_south (code text not null, constraint in_south check (code in ('s', 'sw', 'x')));
  create table visits (at date not null) partition by range (at);
  create table visits_2025 (at date not null, constraint in_2025 check (at >= '2025-01-01' and at < '2026-01-01'));
  create table visits_rest partition of visits default;
  create table trips (at date not null) partition by range (at);
  create table trips_rest partition of trips default;
  alter table trips_rest add constraint not_2025 check (at < '2025-01-01' or at >= '2026-01-01');
  create unlogged table sessions (id bigint);
  create table labels (id int primary key, code varchar(20) unique, note varchar(20), plain varchar(20), label_id int references labels, parent varchar(20) references labels (code),
    constraint labels_code check (code <> ''),
    constraint labels_row check (labels is not null),
    constraint labels_both check (length(code) > id));
  alter table labels add constraint labels_note check (note <> '') not valid;
  create table stays (at date, customer_id bigint) partition by range (at);
  create table stays_2024 partition of stays for values from ('2024-01-01') to ('2025-01-01');
  create table stays_later partition of stays for values from ('2025-01-01') to ('2030-01-01') partition by list (at);
  create table stays_2025 partition of stays_later default;
  alter table stays_2024 add foreign key (customer_id) references customers (id);
  alter table stays_2025 add foreign key (customer_id) references customers (id);
  create table calendar (at date, customer_id bigint, payer_id bigint) partition by range (at);
  create table calendar_2024 partition of calendar for values from ('2024-01-01') to ('2025-01-01');
  create table calendar_2025 partition of calendar for values from ('2025-01-01') to ('2026-01-01');
  alter table calendar_2024 add foreign key (customer_id) references customers (id), add foreign key (payer_id) references customers (id) on delete cascade;
  alter table calendar_2025 add foreign key (payer_id) references customers (id) on delete cascade;`

/** What PostgreSQL before 18 does not parse. */
const SINCE_18 = `
  alter table bookings add constraint bookings_id_there not null id not valid;
  alter table bookings add constraint bookings_during_there check (during is not null);
  alter table bookings add constraint bookings_during_not_null not null during not valid;`

const baseFor = (serverVersion: number) => (serverVersion >= 18 ? BASE + SINCE_18 : BASE)

const ROWS = `
  insert into customers values (1);
  insert into orders values (1, 1, 1, 5, 'a', 'b', now(), 1);
  insert into keyless values (1, 'a', 'b');
  insert into bookings values (1, tstzrange(now(), null));
  insert into events values ('2024-05-05', 'a');
  insert into events_2025 values ('2025-05-05', 'a');
  insert into events_2026 values ('2026-05-05', 'a');
  insert into calls_2027 values ('2027-05-05', 'a');
  insert into visits values ('2020-01-01');
  insert into trips values ('2020-01-01');
  insert into sessions values (1);
  insert into labels values (1, 'ab', 'b', 'c', 1, 'ab');
  insert into stays values ('2024-05-05', 1), ('2025-05-05', 1);
  insert into calendar values ('2024-05-05', 1, 1), ('2025-05-05', 1, 1)`

/** Everything that ALTER TABLE and its like do to a table with rows; `since`: the version that knows the statement. */
const statements: (string | { readonly text: string; readonly since: number })[] = [
  'alter table orders add column c int',
  'alter table orders add column c int default 1',
  'alter table orders add column c int not null default 1',
  'alter table orders add column c timestamptz default now()',
  'alter table orders add column c timestamptz default clock_timestamp()',
  'alter table orders add column c uuid default gen_random_uuid()',
  'alter table orders add column c float default random()',
  'alter table orders add column c text default volatile_code()',
  'alter table orders add column c text default stable_code()',
  'alter table orders add column c text default inlined_code()',
  'alter table orders add column c text default random_code()',
  'alter table orders add column c text default read_code()',
  'alter table orders add column c serial',
  'alter table orders add column c int generated by default as identity',
  'alter table orders add column c numeric generated always as (total * 2) stored',
  { text: 'alter table orders add column c numeric generated always as (total * 2) virtual', since: 18 },
  { text: 'alter table orders add column c numeric generated always as (total * 2)', since: 18 },
  'alter table orders add column c label',
  "alter table orders add column c label default 'x'",
  'alter table orders add column c amount',
  'alter table orders add column c amount default 1',
  'alter table orders add column c size',
  'alter table orders add column c int check (c > 0)',
  'alter table orders add column c int default 1 check (c > 0)',
  'alter table orders add column c int unique',
  'alter table orders add column c bigint references customers (id)',
  'alter table orders add column c bigint default 1 references customers (id)',
  'alter table orders add column c bigint default null references customers (id)',
  'alter table orders drop column note',
  'alter table orders alter column note set default 1',
  'alter table orders alter column note set not null',
  'alter table orders alter column code set not null',
  'alter table orders alter column at set not null',
  'alter table orders alter column total set not null',
  'alter table orders alter column note set not null, drop constraint orders_note_there',
  { text: 'alter table bookings alter column id set not null', since: 18 },
  { text: 'alter table bookings alter column during set not null', since: 18 },
  'alter table orders alter column customer_id set not null',
  'alter table orders alter column n set not null',
  'alter table orders alter column n drop not null',
  'alter table orders alter column n add generated by default as identity',
  { text: 'alter table orders add constraint c not null customer_id', since: 18 },
  { text: 'alter table orders add constraint c not null customer_id not valid', since: 18 },
  { text: 'alter table orders add constraint c not null note', since: 18 },
  'alter table orders add constraint c check (total > 1)',
  'alter table orders add constraint c check (total > 1) not valid',
  { text: 'alter table orders add constraint c check (total > 100) not enforced', since: 18 },
  'alter table orders add constraint c foreign key (customer_id) references customers (id)',
  'alter table orders add constraint c foreign key (customer_id) references customers (id) not valid',
  { text: 'alter table orders add constraint c foreign key (n) references customers (id) not enforced', since: 18 },
  'alter table orders add constraint c unique (customer_id)',
  'alter table orders add constraint c unique using index orders_n',
  'alter table keyless add primary key (n)',
  'alter table keyless add primary key using index keyless_n',
  'alter table keyless add primary key using index keyless_code',
  'alter table keyless add primary key using index keyless_note_key',
  'alter table bookings add constraint c exclude using gist (during with &&)',
  'alter table orders drop constraint orders_later',
  'alter table orders alter column code type varchar(40)',
  'alter table keyless alter column code type varchar(40)',
  'alter table keyless alter column code type varchar(40) using code',
  'alter table keyless alter column code type varchar(40) using code::varchar(40)',
  'alter table keyless alter column code type varchar(40) using upper(code)',
  'alter table keyless alter column code type text',
  'alter table keyless alter column code type varchar(10)',
  'alter table keyless alter column code type varchar(20)',
  'alter table keyless alter column code type varchar(20) collate "C"',
  'alter table keyless alter column code type text collate "C"',
  'alter table orders alter column code type varchar(20)',
  'alter table keyless alter column n type int',
  'alter table labels alter column code type varchar(40)',
  'alter table labels alter column code type varchar(20)',
  'alter table labels alter column code type text, drop constraint labels_code',
  'alter table labels alter column code type text, drop constraint labels_code, drop constraint labels_both',
  `alter table labels alter column code type text, drop constraint labels_both, drop constraint labels_code,
    add constraint labels_code check (code <> '') not valid`,
  'alter table labels alter column note type varchar(40)',
  'alter table labels alter column plain type varchar(40)',
  'alter table labels alter column parent type varchar(40)',
  'alter table stays add foreign key (customer_id) references customers (id)',
  'alter table stays add foreign key (customer_id) references customers (id) on delete cascade',
  'alter table calendar add foreign key (customer_id) references customers (id)',
  'alter table calendar add foreign key (payer_id) references customers (id)',
  'alter table calendar add foreign key (payer_id) references customers (id) on delete cascade',
  'alter table bookings alter column id type bigint',
  'alter table bookings alter column id type numeric',
  'alter table orders alter column size type numeric',
  'alter table orders set (fillfactor = 70)',
  'alter table orders set logged',
  'alter table orders set unlogged',
  'alter table sessions set logged',
  'alter table orders cluster on orders_n',
  'alter table orders replica identity full',
  'alter table orders rename to sales',
  'alter table orders enable row level security',
  'alter table orders disable trigger all',
  "alter table events attach partition events_2025 for values from ('2025-01-01') to ('2026-01-01')",
  "alter table events attach partition events_2026 for values from ('2026-01-01') to ('2027-01-01')",
  "alter table calls attach partition calls_2027 for values from ('2027-01-01') to ('2028-01-01')",
  "alter table calls attach partition calls_2028 for values from ('2028-01-01') to ('2029-01-01')",
  'alter table hours attach partition hours_1 for values from (0) to (10)',
  'alter table hours attach partition hours_2 for values from (10) to (30)',
  'alter table hours attach partition hours_3 for values from (40) to (maxvalue)',
  "alter table regions attach partition regions_north for values in ('n', 'nw')",
  "alter table regions attach partition regions_south for values in ('s', 'sw')",
  'alter table events attach partition events_2025 default',
  "alter table visits attach partition visits_2025 for values from ('2025-01-01') to ('2026-01-01')",
  "create table p partition of visits for values from ('2025-01-01') to ('2026-01-01')",
  "create table p partition of trips for values from ('2025-01-01') to ('2026-01-01')",
  "create table p partition of events for values from ('2025-01-01') to ('2026-01-01')",
  'create table p partition of events default',
  'create index c on orders (note)',
  'create index c on only events (note)',
  'create index c on events (note)',
  'reindex table orders',
  'cluster orders using orders_n',
  'create table lines (id bigint primary key, order_id bigint references orders (id))',
  'create table special_orders () inherits (orders)',
  'alter domain amount add constraint c check (value >= 0)',
  'alter domain amount add constraint c check (value >= 0) not valid',
  'alter domain label add constraint c check (value <> $$$$)',
  'comment on table orders is $$what is sold$$',
]

/** Rules that say that rows are read, checked or written while somebody waits. */
const COSTLY = new Set([
  'attach-scans',
  'check-not-valid',
  'column-rewrites-table',
  'default-partition-scanned',
  'domain-check-not-valid',
  'exclusion-added',
  'foreign-key-not-valid',
  'index-not-concurrent',
  'logged-changed',
  'not-null-scans',
  'reindex-not-concurrent',
  'table-written-anew',
  'type-change-checks-rows',
  'type-change-rebuilds-index',
  'type-change-rewrites',
  'unique-without-index',
])

let empty: TestDatabase
let database: Database

before(async () => {
  empty = await emptyDatabase()
  database = connect(empty.url, { max: 1 })
  await database.transaction(async (tx) => {
    for (const { text } of (await parseSql(`${baseFor(empty.serverVersion)};${ROWS}`, 'base.sql')).statements)
      await tx.query(text)
  })
})

after(async () => {
  await database.close()
  await empty.drop()
})

for (const item of statements) {
  const { text, since } = typeof item === 'string' ? { text: item, since: 15 } : item
  test(`locks: ${text}: a rule fires exactly when PostgreSQL reads or writes the rows`, async (t) => {
    if (empty.serverVersion < since) return t.skip(`needs PostgreSQL ${since}`)

    const { findings } = await lintFiles(
      [
        { path: 'V001__base.sql', text: baseFor(empty.serverVersion) },
        { path: 'V002__change.sql', text },
      ],
      { rules: lintRules, since: '1', serverVersion: empty.serverVersion },
    )
    const rules = findings.filter(({ rule }) => COSTLY.has(rule)).map(({ rule }) => rule)
    const work = await workOf(text)

    assert.equal(rules.length > 0, work.length > 0, `rules: ${rules.join(', ')}; server: ${work.join(', ')}`)
  })
}

class Undo extends Error {}

/** Tables that a statement reads from end to end, and files that it writes anew; undone again. */
async function workOf(text: string): Promise<string[]> {
  let work: string[] = []
  const transaction = database.transaction(async (tx) => {
    const query = `select oid::regclass::text as name, pg_stat_get_xact_numscans(oid) as scans, pg_relation_filenode(oid) as file
      from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'i')`
    type Row = { readonly name: string; readonly scans: bigint; readonly file: number }
    const first = new Map(
      (await tx.query<Row & { oid: number }>(query.replace('select', 'select oid,'))).map((row) => [row.oid, row]),
    )
    await tx.query(text)
    const then = await tx.query<Row & { oid: number }>(query.replace('select', 'select oid,'))
    work = then.flatMap(({ oid, name, scans, file }) => {
      const was = first.get(oid)
      if (!was) return []
      return [...(scans > was.scans ? [`${name} is read`] : []), ...(file !== was.file ? [`${name} is written`] : [])]
    })
    throw new Undo()
  })
  await assert.rejects(transaction, Undo)
  return work
}
