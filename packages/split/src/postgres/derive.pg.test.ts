import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { compareCatalogs, readCatalog, type Catalog } from '@imhotep/engine'
import { connect, type Database } from '@imhotep/postgres'
import { emptyDatabase, type TestDatabase } from '../../../../tests/support/database.ts'
import { derivePostgresSchema, type DerivedSchema } from './derive.ts'

const sharedSchema = `
  create extension citext; create extension btree_gist; create extension pg_trgm;
  create schema lab; create schema core;
  create type lab.state as enum ('ordered', 'done');
  create type core.unused as enum ('x');
  create domain core.amount as numeric(10, 2) check (value >= 0);
  create sequence core.codes;
  create function core.next_code() returns text language sql as $$ select 'c' || nextval('core.codes') $$;
  create table core.wards (id int primary key);
  create table core.people (id int primary key, name text not null, ward int references core.wards);
  alter table core.people enable row level security;
  create policy named on core.people for select using (name <> '');
  create table public.audit (id bigserial primary key, what text);
  create table lab.orders (
    id bigint primary key generated always as identity (start with 100),
    code text not null default core.next_code(), label citext, state lab.state not null default 'ordered',
    price core.amount, person int not null references core.people, half numeric generated always as (price / 2) stored,
    slot int4range, constraint orders_code unique (code), constraint orders_price check (price < 1000),
    constraint orders_slot exclude using gist (person with =, slot with &&));
  create table lab.results (
    id serial primary key, order_id bigint not null references lab.orders on delete cascade, value jsonb, note varchar(20));
  create index results_note on lab.results using gin (note gin_trgm_ops);
  create index orders_open on lab.orders (person) where state = 'ordered';
  create table lab.events (day date, id int, primary key (day, id)) partition by range (day);
  create table lab.events_1 partition of lab.events for values from ('2026-01-01') to ('2027-01-01');
  create view lab.open_orders as select id, code from lab.orders where state = 'ordered';
  create view lab.with_names as select o.id, p.name from lab.orders o join core.people p on p.id = o.person;
  create function lab.stamp() returns trigger language plpgsql as $$ begin new.note := upper(new.note); return new; end $$;
  create trigger stamp before insert on lab.results for each row execute function lab.stamp();
  create function lab.log() returns trigger language plpgsql as $$ begin insert into audit (what) values ('x'); return null; end $$;
  create trigger log after insert on lab.results for each row execute function lab.log();
  create function lab.done(wanted bigint) returns void language sql as $$ update lab.orders set state = 'done' where id = wanted $$;
  create function lab.hire() returns void language plpgsql set search_path = lab, core as $$ begin insert into people values (1, 'x'); perform 1 from orders; end $$;
  alter table lab.results enable row level security;
  create policy everybody on lab.results using (order_id > 0);
  comment on table lab.orders is 'orders of the laboratory';
  grant select on lab.orders to public;`

let shared: TestDatabase
let service: TestDatabase
let db: Database
let derived: DerivedSchema
before(async () => {
  shared = await emptyDatabase('derive')
  service = await emptyDatabase('derived')
  await script(shared.url, sharedSchema)
  db = connect(service.url)
  derived = await derivePostgresSchema(shared.url, ['lab.orders', 'lab.results', 'lab.events'].map(named))
})
after(async () => {
  await db.close()
  await Promise.all([shared.drop(), service.drop()])
})

async function script(url: string, sql: string): Promise<void> {
  const connection = await connect(url).dedicated()
  try {
    await connection.script(sql)
  } finally {
    await connection.release()
  }
}

async function catalogOf(url: string): Promise<Catalog> {
  const database = connect(url)
  try {
    return await readCatalog(database)
  } finally {
    await database.close()
  }
}

test('derive: the first part makes tables that take rows, with nothing but primary keys', async () => {
  await script(service.url, derived.tables)

  const { tables } = await readCatalog(db)
  const constraints = [...tables.values()].flatMap((table) =>
    [...table.constraints.values()].filter(({ kind }) => kind !== 'not null').map(({ kind }) => kind),
  )
  assert.deepEqual([...tables.keys()].toSorted(), ['lab.events', 'lab.events_1', 'lab.orders', 'lab.results'])
  assert.deepEqual([...new Set(constraints)], ['primary key'])
  assert.ok([...tables.values()].every(({ triggers, policies }) => triggers.size + policies.size === 0))
})

test('derive: with the second part the tables are those of the shared database', async () => {
  await script(service.url, derived.keys)

  const differences = compareCatalogs(await catalogOf(shared.url), await readCatalog(db)).map(
    ({ object, kind }) => `${kind} ${object}`,
  )
  assert.deepEqual(differences.toSorted(), [
    'missing constraint orders_person_fkey on lab.orders',
    'missing function lab.hire()',
    'missing function lab.log()',
    'missing sequence public.audit_id_seq',
    'missing table core.people',
    'missing table core.wards',
    'missing table public.audit',
    'missing trigger log on lab.results',
    'missing type core.unused',
    'missing view lab.with_names',
  ])
})

test('derive: with copies the third part adds their tables, without keys of their owner, and the views that read them', async () => {
  await using wider = await emptyDatabase('derived')
  const names = ['lab.orders', 'lab.results', 'lab.events'].map(named)

  const { tables, keys, copies, leftOut } = await derivePostgresSchema(shared.url, names, [named('core.people')])
  await script(wider.url, tables + keys + (copies ?? ''))

  assert.deepEqual({ tables, keys }, { tables: derived.tables, keys: derived.keys })
  const differences = compareCatalogs(await catalogOf(shared.url), await catalogOf(wider.url)).map(
    ({ object, kind }) => `${kind} ${object}`,
  )
  assert.deepEqual(differences.toSorted(), [
    'missing constraint orders_person_fkey on lab.orders',
    'missing constraint people_ward_fkey on core.people',
    'missing function lab.hire()',
    'missing function lab.log()',
    'missing sequence public.audit_id_seq',
    'missing table core.wards',
    'missing table public.audit',
    'missing trigger log on lab.results',
    'missing type core.unused',
  ])
  assert.ok(!leftOut.some(({ object }) => object === 'view lab.with_names'))
  assert.ok(leftOut.some(({ object }) => object === 'function lab.hire()'))
})

function named(id: string) {
  const [schema = '', name = ''] = id.split('.')
  return { schema, name }
}

test('derive: says what a service on its own cannot have, and why', () => {
  assert.deepEqual(derived.leftOut.map(({ object }) => object).toSorted(), [
    'constraint orders_person_fkey on lab.orders',
    'function lab.hire()',
    'trigger log on lab.results',
    'view lab.with_names',
  ])
  assert.match(derived.leftOut.find(({ object }) => object.startsWith('trigger'))?.reason ?? '', /public\.audit/)
})
