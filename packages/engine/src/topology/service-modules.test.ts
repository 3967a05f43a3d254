import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fixtureModule } from '../../../../tests/support/fixture-module.ts'
import type { Module } from '../modules/module.ts'
import { serviceModules } from './service-modules.ts'

function seeded(module: Module, seeds: Record<string, string>): Module {
  const system = Object.entries(seeds).map(([name, text]) => ({
    path: `${module.name}/seed/system/010-${name}.sql`,
    band: 10,
    name,
    text,
  }))
  return { ...module, seeds: { system, demo: [{ path: 'd', band: 10, name: 'd', text: 'select 1;' }] } }
}

const core: Module = {
  ...seeded(fixtureModule('core', [], {}), {
    settings: `insert into core.settings values ('a') on conflict do nothing;`,
  }),
  service: 'kernel',
}
const shop = seeded(fixtureModule('shop', ['core'], {}), {
  own: `insert into shop.goods values (1); select core.enqueue('x');`,
  both: 'insert into shop.goods select id from garage.parts;',
})
const garage = seeded(fixtureModule('garage', ['core', 'shop'], {}), {
  settings: `select core.set('garage', 1);`,
  goods: `do $$ begin insert into shop.goods values (2); end $$;`,
})

async function seedsOf(service: string): Promise<string[]> {
  const modules = await serviceModules([core, shop, garage], service)
  assert.ok(modules.every(({ seeds }) => seeds.demo.length === 0))
  return modules.flatMap(({ seeds }) => seeds.system.map(({ path }) => path))
}

test('serviceModules: a service gets the system seeds of the kernel, its own, and those of others that fill its tables alone', async () => {
  assert.deepEqual(await seedsOf('shop'), [
    'core/seed/system/010-settings.sql',
    'shop/seed/system/010-own.sql',
    'garage/seed/system/010-goods.sql',
  ])
  assert.deepEqual(await seedsOf('garage'), [
    'core/seed/system/010-settings.sql',
    'garage/seed/system/010-settings.sql',
  ])
})
