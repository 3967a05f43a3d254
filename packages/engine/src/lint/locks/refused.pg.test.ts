import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { connect, type Connection, type Database } from '@imhotep/postgres'
import { emptyDatabase, type TestDatabase } from '../../../../../tests/support/database.ts'
import { lintFiles } from '../lint-files.ts'
import { lintRules } from '../rules/index.ts'

const BASE = `
  create table customers (id bigint primary key);
  create table orders (id bigint primary key, customer_id bigint, note text);
  create index orders_note on orders (note);
  create index orders_customer on orders (customer_id);
  create table events (at date not null, customer_id bigint) partition by range (at);
  create index events_customer on events (customer_id);
  create table events_2024 partition of events for values from ('2024-01-01') to ('2025-01-01');
  create table visits (at date not null) partition by range (at);
  create table visits_2024 partition of visits for values from ('2024-01-01') to ('2025-01-01');
  create table visits_rest partition of visits default;
  create table keyed (id bigint, at date, code text, unique (id, at)) partition by range (at);
  create table keyed_codes (id bigint, at date, code text) partition by list (code);
  create table keyed_lower (id bigint, at date, code text) partition by list (lower(code));
  create table keyed_ids (id bigint, at date, code text) partition by list (id);
  create table keyed_leaf (id bigint primary key, at date, code text);
  create materialized view totals as select customer_id, count(*) as n from orders group by customer_id;
  create unique index totals_lower on totals ((customer_id + 1));
  create unique index totals_part on totals (customer_id) where n > 1;
  create materialized view notes as select id, note from orders;
  create unique index notes_id on notes (id) include (note);
  create materialized view unfilled as select id from orders with no data;
  create unique index unfilled_id on unfilled (id);`

const statements = [
  'create index concurrently c on orders (note)',
  'create index concurrently c on events (customer_id)',
  'create index concurrently c on only events (customer_id)',
  'create index concurrently if not exists events_customer on events (customer_id)',
  'create index concurrently c on events_2024 (customer_id)',
  'create index c on events (customer_id)',
  'drop index concurrently orders_note',
  'drop index concurrently orders_note, orders_customer',
  'drop index concurrently if exists gone, gone_too',
  'drop index concurrently orders_note cascade',
  'drop index concurrently orders_note restrict',
  'drop index concurrently events_customer',
  'drop index events_customer',
  'drop index orders_note, orders_customer cascade',
  'alter table events detach partition events_2024 concurrently',
  'alter table events detach partition events_2024',
  'alter table visits detach partition visits_2024 concurrently',
  'alter table visits detach partition visits_rest concurrently',
  'alter table visits detach partition visits_2024',
  'refresh materialized view totals',
  'refresh materialized view concurrently totals',
  'refresh materialized view concurrently notes',
  'refresh materialized view concurrently notes with no data',
  'refresh materialized view notes with no data',
  'refresh materialized view concurrently unfilled',
  'refresh materialized view unfilled',
  'alter table orders add foreign key (customer_id) references customers (id) not valid',
  'alter table events add foreign key (customer_id) references customers (id)',
  'alter table events add foreign key (customer_id) references customers (id) not valid',
  'alter table events add constraint c check (customer_id > 0) not valid',
  'create table later (id bigint, foreign key (id) references customers (id) not valid) partition by hash (id)',
  ...['codes', 'lower', 'ids', 'leaf'].map(
    (name) => `alter table keyed attach partition keyed_${name} for values from ('2024-01-01') to ('2025-01-01')`,
  ),
  '-- imhotep:no-transaction\nreindex table events',
  '-- imhotep:no-transaction\nreindex index events_customer',
  'reindex table concurrently events',
  'reindex index concurrently events_customer',
  'begin; reindex table events; commit',
  'begin; reindex index events_customer; commit',
  'begin; reindex table concurrently orders; commit',
  'begin; reindex table orders; commit',
  'begin; reindex table events_2024; commit',
]

const REFUSED = new Set([
  'concurrently-refused',
  'not-valid-refused',
  'concurrently-in-transaction',
  'unique-without-partition-key',
])

let empty: TestDatabase
let database: Database
let connection: Connection

before(async () => {
  empty = await emptyDatabase()
  database = connect(empty.url, { max: 1 })
  connection = await database.dedicated()
})

beforeEach(() => connection.script(`drop schema public cascade; create schema public; ${BASE}`))

after(async () => {
  await connection.release()
  await database.close()
  await empty.drop()
})

for (const text of statements) {
  test(`locks: ${text}: a rule says refused exactly when PostgreSQL refuses`, async () => {
    const { findings } = await lintFiles(
      [
        { path: 'V001__base.sql', text: BASE },
        { path: 'V002__change.sql', text },
      ],
      { rules: lintRules, since: '1', serverVersion: empty.serverVersion },
    )
    const told = findings.flatMap(({ rule, message }) => (REFUSED.has(rule) ? message : []))
    const error = await errorOf(text)

    assert.equal(told.length > 0, error !== null, `rules: ${told.join(', ')}; server: ${error}`)
  })
}

async function errorOf(text: string): Promise<string | null> {
  try {
    await connection.script(text)
    return null
  } catch (error) {
    await connection.script('rollback')
    return String(error)
  }
}
