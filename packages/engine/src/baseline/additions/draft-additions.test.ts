import assert from 'node:assert/strict'
import { test } from 'node:test'
import { foldFiles } from '../../catalog/files.ts'
import { defaultPolicy, type VerifyPolicy } from '../../verify/policy.ts'
import { catalogRules } from '../../verify/rules/index.ts'
import type { AdditionOptions } from './addition.ts'
import { draftAdditions } from './draft-additions.ts'

const SHOP = `
  create schema shop;
  create table shop.colours (id integer primary key, name text unique);
  create table shop.cars (
    id uuid primary key, plate text unique, colour_id integer references shop.colours, owner_id uuid references shop.cars
      on update cascade on delete set null
  );
  create index cars_owner_idx on shop.cars (owner_id);
  create policy seen on shop.cars using (plate <> '');
  create function shop.add_car(p text) returns void language sql
    as 'insert into shop.cars (plate) values (p) on conflict (plate) do nothing';
`
const ALL: AdditionOptions = { tenant: true, rls: true, audit: true, compliance: true }

async function draft(options: AdditionOptions = ALL, policy: Partial<VerifyPolicy> = {}, sql = SHOP) {
  const catalog = await foldFiles([{ path: 'shop.sql', text: sql }])
  return draftAdditions(catalog, { ...defaultPolicy, ...policy }, options)
}

test('draftAdditions: every addition and every advice names a rule of verify', async () => {
  const known = new Set(catalogRules.map(({ id }) => id))

  const { additions, advice } = await draft(ALL, { tables: [{ match: '*', class: 'pii' }] })

  const strange = [...additions, ...advice].filter(({ rule }) => !known.has(rule))
  assert.ok(additions.length > 0 && advice.length > 0)
  assert.deepEqual(strange, [])
})

test('draftAdditions: a table that the policy calls global stays as it is', async () => {
  const tables = [{ match: 'shop.colours', scope: 'global' as const }]

  const { additions } = await draft({ tenant: true }, { tables })

  const about = additions.filter(({ object }) => object.includes('shop.colours'))
  assert.deepEqual(about, [])
  assert.ok(additions.some(({ object }) => object === 'column shop.cars.tenant_id'))
})

test('draftAdditions: a reference of a global table to a tenant table is left to a person', async () => {
  const tables = [{ match: 'shop.cars', scope: 'global' as const }]

  const { advice } = await draft({ tenant: true }, { tables })

  assert.ok(advice.some(({ object }) => object === 'constraint cars_colour_id_fkey on shop.cars'))
})

test('draftAdditions: a reference carries the tenant, and leaves it alone when it sets null', async () => {
  const { additions } = await draft({ tenant: true })

  const texts = additions.filter(({ object }) => object === 'constraint cars_owner_id_fkey on shop.cars')
  assert.match(texts.at(-1)?.sql ?? '', /foreign key \(tenant_id, owner_id\) references shop\.cars \(tenant_id, id\)/)
  assert.match(texts.at(-1)?.sql ?? '', /on delete set null \(owner_id\)/i)
  assert.doesNotMatch(texts.at(-1)?.sql ?? '', /on update/i)
})

test('draftAdditions: the only permissive policy of a table becomes restrictive beside that of the tenant', async () => {
  const { additions } = await draft({ tenant: true, rls: true })

  const narrowed = additions.find(({ object }) => object === 'policy seen on shop.cars')
  assert.match(narrowed?.sql ?? '', /as restrictive/)
})

test('draftAdditions: what a function names in ON CONFLICT is left to a person', async () => {
  const { advice } = await draft({ tenant: true })

  assert.ok(advice.some(({ object }) => object === 'function shop.add_car(text)'))
})

test('draftAdditions: a schema that has everything gets nothing', async () => {
  const first = await draft({ tenant: true, rls: true, audit: true })
  const grown = `${SHOP}\n${first.additions.map(({ sql }) => sql).join('\n')}`

  const second = await draft({ tenant: true, rls: true, audit: true }, {}, grown)

  assert.deepEqual(second.additions, [])
})
