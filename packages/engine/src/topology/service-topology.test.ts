import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fixtureModule } from '../../../../tests/support/fixture-module.ts'
import { ModuleError } from '../modules/module-error.ts'
import type { Module, Separate } from '../modules/module.ts'
import { bundleServices } from './bundle-services.ts'
import { serviceTopology } from './service-topology.ts'

const tenantTable = (name: string, more: string) =>
  `create table ${name} (tenant_id uuid not null, id uuid not null, ${more} constraint ${name.replace('.', '_')}_pkey primary key (tenant_id, id));`

function withSeparate(module: Module, separate: Partial<Separate>): Module {
  return { ...module, separate: { files: [], publishes: {}, starts: {}, ...separate } }
}

const core = withSeparate(
  { ...fixtureModule('core', [], { '100-keys.sql': 'create table core.keys (k text);' }), service: 'kernel' },
  { starts: { keys: 'fresh' } },
)

/** People have a name that is theirs and a state that anybody may know; garages know cars and refer to people. */
const people = withSeparate(
  fixtureModule('people', ['core'], {
    '000-schema.sql': 'create schema people;',
    '100-persons.sql': tenantTable('people.persons', 'name text, state text, deleted_at timestamptz,'),
    '200-state.sql': `create function people.state_of(p uuid) returns text language sql stable
      as $$ select x.state from people.persons x where x.id = p $$;
      create function people.rename(p uuid) returns void language sql as $$ update people.persons set name = '' where id = p $$;`,
  }),
  { publishes: { persons: ['state'] } },
)

const garage = fixtureModule('garage', ['core', 'people'], {
  '000-schema.sql': 'create schema garage;',
  '100-cars.sql': `${tenantTable('garage.cars', 'owner_id uuid, kind_id uuid,')}
    alter table garage.cars add constraint cars_owner_fkey foreign key (tenant_id, owner_id) references people.persons (tenant_id, id);
    comment on constraint cars_owner_fkey on garage.cars is 'whose';`,
  '200-work.sql': `create function garage.may_drive(p uuid) returns boolean language sql stable
      as $$ select x.state = 'sober' from people.persons x where x.id = p $$;
    create function garage.asks(p uuid) returns text language plpgsql as $$ begin return people.state_of(p); end $$;
    create function garage.greets(p uuid) returns text language sql as $$ select x.name from people.persons x where x.id = p $$;
    create function garage.renames(p uuid) returns void language plpgsql as $$ begin perform people.rename(p); end $$;
    create function garage.opens(p uuid) returns void language plpgsql as $$ begin perform garage.renames(p); end $$;
    comment on function garage.opens(uuid) is 'about=Opens.';
    create function garage.guard() returns trigger language plpgsql as $$ begin perform garage.greets(new.owner_id); return new; end $$;
    create trigger cars_guard before insert on garage.cars for each row execute function garage.guard();`,
  '300-views.sql':
    'create view garage.list as select c.id, p.state from garage.cars c join people.persons p on p.id = c.owner_id;',
  '400-grants.sql': `grant execute on function garage.opens(uuid), garage.asks(uuid) to garage_app;
    grant select (id, name) on people.persons to garage_owner;`,
})

const all = [core, people, garage]

async function garageOf(modules: Module[]) {
  const found = (await serviceTopology(modules)).find(({ service }) => service === 'garage')
  assert.ok(found)
  return found
}

test('serviceTopology: a foreign key into another service is a soft reference, and the table there is kept', async () => {
  const { softReferences, keeps, tables, kernelTables } = await garageOf(all)

  assert.deepEqual(softReferences, [
    {
      table: 'garage.cars',
      constraint: 'cars_owner_fkey',
      column: 'owner_id',
      references: 'people.persons',
      owner: 'people',
      checked: true,
    },
  ])
  assert.deepEqual(
    keeps.map(({ table, owner, columns }) => [table, owner, columns]),
    [['people.persons', 'people', ['state']]],
  )
  assert.deepEqual(tables, ['garage.cars'])
  assert.deepEqual(kernelTables, { 'core.keys': 'fresh' })
})

test('serviceTopology: leaves out what needs more than is published, and what needs that', async () => {
  const { leftOut, copiedFunctions } = await garageOf(all)

  assert.deepEqual(
    leftOut.map(({ kind, object, reasons, instead }) => [kind, object, reasons, instead]),
    [
      ['function', 'garage.greets', ['reads people.persons.name'], ['people']],
      ['function', 'garage.renames', ['calls people.rename'], ['people']],
      ['function', 'garage.opens', ['calls garage.renames'], ['people']],
      ['function', 'garage.guard', ['calls garage.greets'], ['people']],
      ['trigger', 'garage.cars.cars_guard', ['calls garage.guard'], ['people']],
    ],
  )
  assert.deepEqual(copiedFunctions, ['people.state_of'])
})

test('bundleServices: the script has the view of the kept table, the check, and no statement about what is left out', async () => {
  const bundles = await bundleServices(all)
  const script = bundles.find(({ topology }) => topology.service === 'garage')?.script ?? ''
  const owner = bundles.find(({ topology }) => topology.service === 'people')?.script ?? ''

  assert.match(script, /create or replace view people\.persons with \(security_invoker = true\)/)
  assert.match(script, /core\.require_entity\(new\.tenant_id, 'people\.persons', new\.owner_id, 'cars_owner_fkey'\)/)
  assert.match(script, /grant execute on function garage\.asks\(uuid\) to garage_app/)
  assert.doesNotMatch(script, /garage\.(opens|greets|renames|guard)|foreign key \(|grant select \(id, name\)/)
  assert.match(owner, /core\.announce_entity\(new\.tenant_id, 'people\.persons'/)
  assert.doesNotMatch(owner, /garage/)
})

test('bundleServices: the same modules in another order give the same bytes', async () => {
  const expected = await bundleServices(all)

  assert.deepEqual(await bundleServices(all.toReversed()), expected)
})

test('bundleServices: a function in separate/ takes the place of its namesake and brings back what needs it', async () => {
  const text = 'create function garage.renames(p uuid) returns void language plpgsql as $$ begin null; end $$;'
  const rewritten = withSeparate(garage, {
    files: [{ path: 'garage/separate/200-work.sql', band: 200, name: 'work', text }],
  })

  const { leftOut, rewritten: names } = await garageOf([core, people, rewritten])

  assert.ok(!leftOut.some(({ object }) => ['garage.renames', 'garage.opens'].includes(object)))
  assert.deepEqual(names, ['garage.renames'])
})

test('serviceTopology: a table with a column of another service type cannot stand alone', async () => {
  const typed = { ...people, files: [...people.files] }
  typed.files.push({
    path: 'people/010-types.sql',
    band: 10,
    name: 'types',
    text: `create type people.mood as enum ('good');`,
  })
  const user = fixtureModule('user', ['core', 'people'], {
    '000-schema.sql': 'create schema "user";',
    '100-x.sql': 'create table "user".x (mood people.mood);',
  })

  await assert.rejects(
    serviceTopology([core, typed, user]),
    (error) => error instanceof ModuleError && /user\/100-x\.sql:1: table user\.x cannot stand/.test(error.message),
  )
})

test('serviceTopology: asks what each table of the kernel starts with, and refuses to publish what is not there', async () => {
  await assert.rejects(serviceTopology([{ ...core, separate: { files: [], publishes: {}, starts: {} } }, people]), {
    message: /"starts" does not say what core\.keys starts with/,
  })
  await assert.rejects(serviceTopology([core, withSeparate(people, { publishes: { persons: ['age'], cats: [] } })]), {
    message: /publishes people\.persons\.age[^]*publishes people\.cats/,
  })
})
