import assert from 'node:assert/strict'
import { test } from 'node:test'
import { foldFiles } from '../catalog/files.ts'
import { makeContext } from './context.ts'
import { defaultPolicy, type VerifyPolicy } from './policy.ts'
import { catalogRules } from './rules/index.ts'
import { runRules } from './run-rules.ts'

/** Breaks every rule that files can break. */
const files = {
  '001_tables.sql': `create role app login bypassrls;
create schema sales;
create table sales.tenants (id uuid primary key);
create table sales.customers (
  tenant_id text default 'x',
  id uuid primary key,
  "Name" text,
  card_number text,
  active boolean,
  seen_at timestamp,
  price real,
  deleted_at timestamptz,
  place point
);
create unlogged table sales.notes (customer uuid references sales.customers (id));`,
  '002_rest.sql': `create unique index customers_name on sales.customers ("Name");
create index customers_name_again on sales.customers ("Name");
create index customers_place on sales.customers using gist (place);
alter table sales.customers add column parent uuid references sales.customers (id);
create table sales.customers_history (like sales.customers);
alter table sales.customers_history alter column price type text;
create view sales.names as select "Name" from sales.customers;
create function sales.f() returns int language sql security definer as 'select 1';
grant select on sales.customers to public;
grant delete on sales.log to app;
create policy open on sales.notes using (true);
create policy slow on sales.notes using (current_setting('x') = 'y');
create table sales.tagged (id int primary key);
comment on table sales.tagged is 'class=unheard';`,
  '003_log.sql': `create table sales.log (id bigint primary key, payload text);
comment on table sales.log is 'class=phi;append_only=1';
grant update on sales.log to app;
create table sales.visits (tenant_id uuid, branch uuid);
create table sales.orders (tenant_id uuid, branch uuid);
comment on table sales.visits is 'class=phi;scope=tenant';
comment on table sales.orders is 'class=phi;scope=tenant';
create policy own_branch on sales.visits as restrictive using (branch = (select sales.f()));`,
}

const policy: VerifyPolicy = {
  ...defaultPolicy,
  rootTable: 'sales.tenants',
  applicationRoles: ['app'],
  namePatterns: { column: '^[a-z_]+$' },
  tables: [{ match: 'sales.tagged', scope: 'global' }],
  sensitiveColumns: [{ match: '^card_number$', reason: 'it may not be kept', types: [] }],
}

/** They look at rows, at triggers without a name and at settings of a server, which files do not tell. */
const UNSEEN = ['state-machine-trigger', 'foreign-key-enforced', 'role-settings']

async function findings() {
  const catalog = await foldFiles(Object.entries(files).map(([path, text]) => ({ path, text })))
  return runRules(catalogRules, makeContext(catalog, policy)).findings
}

test('catalogRules: every rule finds its mistake in files', async () => {
  const found = new Set((await findings()).map(({ rule }) => rule))

  const silent = catalogRules.map(({ id }) => id).filter((id) => !found.has(id) && !UNSEEN.includes(id))
  assert.deepEqual(silent, [])
})

test('catalogRules: every finding says its file and line', async () => {
  const lost = (await findings()).filter(({ file, line, column }) => file === null || !line || !column)

  assert.deepEqual(
    lost.map(({ rule, message }) => `${rule}: ${message}`),
    [],
  )
})

test('catalogRules: a finding stands where the thing is, not only its table', async () => {
  const all = await findings()

  const placeOf = (rule: string, text: string) => {
    const { file, line } = all.find((own) => own.rule === rule && own.message.includes(text)) ?? {}
    return `${file}:${line}`
  }
  assert.equal(placeOf('sensitive-column', 'card_number'), '001_tables.sql:8')
  assert.equal(placeOf('no-timestamp-without-zone', 'seen_at'), '001_tables.sql:10')
  assert.equal(placeOf('redundant-index', 'customers_name_again'), '002_rest.sql:2')
  assert.equal(placeOf('foreign-key-index', 'parent'), '002_rest.sql:4')
  assert.equal(placeOf('policy-per-row', 'slow'), '002_rest.sql:12')
  assert.deepEqual(all.find(({ rule }) => rule === 'redundant-index')?.related, [
    { file: '002_rest.sql', line: 1, message: 'customers_name is made here' },
  ])
})

test('catalogRules: a schema of no convention is not told about ours', async () => {
  const catalog = await foldFiles([
    {
      path: '001_all.sql',
      text: `create table customers (id bigint primary key, name text);
             create table orders (id bigint primary key, customer_id bigint not null references customers (id) on delete cascade);
             create index orders_customer on orders (customer_id);
             create view names as select name from customers;
             create function total() returns bigint language sql as 'select count(*) from public.orders';
             create trigger t after insert on orders for each row execute function suppress_redundant_updates_trigger();
             comment on table customers is 'Who buys.';`,
    },
  ])

  const { findings: told } = runRules(catalogRules, makeContext(catalog, defaultPolicy))

  assert.deepEqual(told, [])
})
