import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { connect, type Database } from '@imhotep/postgres'
import { emptyDatabase, type TestDatabase } from '../../../../../tests/support/database.ts'
import { testVersion } from '../../../../../tests/support/server.ts'
import { foldFiles } from '../../catalog/files.ts'
import type { Catalog } from '../../catalog/model.ts'
import { parseSql } from '../../parse/parse-sql.ts'
import { locksOf } from './locks-of.ts'

const BASE = `
  create table customers (id bigint primary key, name text);
  create table orders (id bigint primary key, customer_id bigint, total numeric, note text,
    constraint orders_customer foreign key (customer_id) references customers (id),
    constraint orders_total check (total > 0) not valid);
  create table items (id bigint primary key, order_id bigint, note text);
  create index orders_note on orders (note);
  create function touch() returns trigger language plpgsql as 'begin return new; end';
  create trigger orders_touch before update on orders for each row execute function touch();
  create policy orders_all on orders using (true);
  create materialized view totals as select customer_id, sum(total) as total from orders group by customer_id;
  create unique index totals_customer on totals (customer_id);
  create table events (at date not null, note text) partition by range (at);
  create table events_2024 partition of events for values from ('2024-01-01') to ('2025-01-01');
  create table events_other partition of events default;
  create table events_2025 (at date not null, note text);
  create table visits (id bigint not null, customer_id bigint, note text) partition by range (id);
  create table visits_1 partition of visits for values from (0) to (100) partition by range (id);
  create table visits_11 partition of visits_1 for values from (0) to (10);
  alter table visits add constraint visits_id check (id > 0) not valid;
  create index visits_note on visits (note);
  create trigger visits_touch before update on visits for each row execute function touch();
  create table papers (id bigint, note text);
  create table bills () inherits (papers);`

const statements = [
  'alter table orders add column c int',
  'alter table orders add column c bigint references customers (id)',
  'alter table orders drop column note',
  'alter table orders alter column note set default 1',
  'alter table orders alter column note type varchar(10)',
  'alter table orders alter column note set not null',
  'alter table orders alter column note set statistics 500',
  'alter table orders alter column note set (n_distinct = 5)',
  'alter table orders alter column note set storage external',
  'alter table orders set (fillfactor = 70)',
  'alter table orders reset (fillfactor)',
  'alter table orders set unlogged',
  'alter table orders enable row level security',
  'alter table orders force row level security',
  'alter table orders disable trigger orders_touch',
  'alter table orders disable trigger all',
  'alter table orders enable trigger user',
  'alter table orders add constraint c check (total > 1)',
  'alter table orders add constraint c check (total > 1) not valid',
  'alter table orders validate constraint orders_total',
  'alter table items add constraint c foreign key (order_id) references orders (id)',
  'alter table items add constraint c foreign key (order_id) references orders (id) not valid',
  'alter table orders add constraint c unique (total)',
  'alter table orders drop constraint orders_total',
  'alter table orders drop constraint orders_customer',
  'alter table orders cluster on orders_note',
  'alter table orders replica identity full',
  'alter table orders set unlogged, add column c int',
  'alter table orders alter column note set statistics 5, disable trigger orders_touch',
  "alter table events attach partition events_2025 for values from ('2025-01-01') to ('2026-01-01')",
  'alter table events detach partition events_2024',
  "create table events_2026 partition of events for values from ('2026-01-01') to ('2027-01-01')",
  'create table lines (id bigint primary key, order_id bigint references orders (id))',
  'create table special_orders () inherits (orders)',
  'create index i on orders (total)',
  'create index i on totals (total)',
  'drop index orders_note',
  'reindex table orders',
  'reindex index orders_note',
  'create trigger t after insert on orders for each row execute function touch()',
  'drop trigger orders_touch on orders',
  'create policy p on orders using (false)',
  'alter policy orders_all on orders using (false)',
  'drop policy orders_all on orders',
  'create rule r as on delete to orders do nothing',
  'drop table items',
  'drop table events_2024',
  'truncate items',
  'lock table orders in share row exclusive mode',
  'lock table orders in exclusive mode',
  'lock orders',
  'alter table orders rename to sales',
  'alter table orders rename column note to remark',
  'alter table orders rename constraint orders_total to c',
  'alter table orders set schema elsewhere',
  'alter trigger orders_touch on orders rename to t',
  'alter policy orders_all on orders rename to p',
  'cluster orders using orders_note',
  'refresh materialized view totals',
  'refresh materialized view concurrently totals',
  'drop materialized view totals',
  'alter materialized view totals rename to sums',
  'alter table visits add column c int',
  'alter table visits drop column note',
  'alter table visits alter column note set default 1',
  'alter table visits alter column note type varchar(10)',
  'alter table visits alter column note set not null',
  'alter table visits alter column note set statistics 500',
  'alter table visits alter column note set storage external',
  'alter table visits alter column note set (n_distinct = 5)',
  'alter table visits enable row level security',
  'alter table visits replica identity full',
  'alter table visits disable trigger visits_touch',
  'alter table visits add constraint c check (id > 1)',
  'alter table visits validate constraint visits_id',
  'alter table visits drop constraint visits_id',
  'alter table visits add constraint c unique (id)',
  'alter table visits add constraint c foreign key (customer_id) references customers (id)',
  'alter table visits rename column note to remark',
  'alter table visits rename to stays',
  'alter table papers add column c int',
  'alter table only papers alter column note set default 1',
  'alter table papers rename column note to remark',
  'create index i on visits (id)',
  'create index i on only visits (id)',
  'create index i on papers (id)',
  'drop index visits_note',
  'create trigger t after insert on visits for each row execute function touch()',
  'create trigger t after insert on visits for each statement execute function touch()',
  'drop trigger visits_touch on visits',
  'create policy p on visits using (true)',
  'drop table visits',
  'truncate visits',
  'lock table visits in exclusive mode',
  'lock table only visits in exclusive mode',
  'update visits set note = null',
  'delete from papers',
  'update orders set note = null',
  'delete from orders',
  'insert into items values (1)',
]

let empty: TestDatabase
let database: Database
let catalog: Catalog

before(async () => {
  empty = await emptyDatabase()
  database = connect(empty.url, { max: 1 })
  const text = `create schema elsewhere;${BASE}`
  await database.transaction(async (tx) => {
    for (const { text: statement } of (await parseSql(text, 'base.sql')).statements) await tx.query(statement)
  })
  catalog = await foldFiles([{ path: 'base.sql', text }])
})

after(async () => {
  await database.close()
  await empty.drop()
})

/** Before PostgreSQL 18 readers of the partitions are let in: the lock of the newest version is told. */
const SINCE_18 = 'alter table visits add constraint c unique (id)'

for (const text of statements) {
  test(`locksOf: ${text}`, { skip: text === SINCE_18 && testVersion() < 18 }, async () => {
    const [statement] = (await parseSql(text, 'x.sql')).statements
    assert.ok(statement)

    const claimed = locksOf(statement, catalog).map(({ table, mode }) => `${table} ${mode}`)

    const strongReads = (lock: string) => !lock.endsWith(' access share')
    assert.deepEqual(claimed.toSorted(), (await takenBy(text)).filter(strongReads).toSorted())
  })
}

test('locksOf: a foreign key that takes over those of partitions locks out the readers of the other table', async () => {
  const tables = `create table stays (at date, customer_id bigint) partition by range (at);
    create table stays_2024 partition of stays for values from ('2024-01-01') to ('2025-01-01');
    create table stays_rest partition of stays default;
    alter table stays_2024 add foreign key (customer_id) references customers (id);`
  const change = 'alter table stays add foreign key (customer_id) references customers (id)'
  const [statement] = (await parseSql(change, 'x.sql')).statements
  assert.ok(statement)
  const folded = await foldFiles([{ path: 'base.sql', text: `create schema elsewhere;${BASE}${tables}` }])

  const claimed = locksOf(statement, folded).find(({ table }) => table === 'public.customers')
  const taken = await takenBy(`do $$ begin ${tables} ${change}; end $$`)

  assert.equal(claimed?.mode, 'access exclusive')
  assert.ok(taken.includes('public.customers access exclusive'))
})

class Undo extends Error {}

/** The strongest lock that a statement takes on each table and materialized view, as pg_locks shows it; undone again. */
async function takenBy(text: string): Promise<string[]> {
  let locks: { table: string; mode: string }[] = []
  const work = database.transaction(async (tx) => {
    const names = await tx.query<{ oid: number; name: string }>(
      `select oid, relnamespace::regnamespace || '.' || relname as name from pg_class
       where relkind in ('r', 'p', 'm') and relnamespace = 'public'::regnamespace`,
    )
    await tx.query(text)
    const rows = await tx.query<{ oid: number; mode: string }>(
      `select relation as oid, mode from pg_locks where pid = pg_backend_pid() and locktype = 'relation'`,
    )
    const name = new Map(names.map((row) => [row.oid, row.name]))
    locks = rows.flatMap(({ oid, mode }) => (name.has(oid) ? [{ table: name.get(oid) ?? '', mode: words(mode) }] : []))
    throw new Undo()
  })
  await assert.rejects(work, Undo)
  const strongest = new Map<string, string>()
  for (const { table, mode } of locks.toSorted((a, b) => ORDER.indexOf(a.mode) - ORDER.indexOf(b.mode)))
    strongest.set(table, mode)
  return [...strongest].map(([table, mode]) => `${table} ${mode}`)
}

const ORDER = [
  'access share',
  'row share',
  'row exclusive',
  'share update exclusive',
  'share',
  'share row exclusive',
  'exclusive',
  'access exclusive',
]

/** `ShareRowExclusiveLock` as `share row exclusive`. */
function words(mode: string): string {
  return mode
    .replace(/Lock$/, '')
    .replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ')
    .toLowerCase()
}
