import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '@imhotep/postgres'
import { emptyDatabase } from '../../../../tests/support/database.ts'
import { fixtureModule } from '../../../../tests/support/fixture-module.ts'
import { compareCatalogs } from '../catalog/compare.ts'
import { readCatalog } from '../catalog/live.ts'
import type { Catalog } from '../catalog/model.ts'
import { planModules } from '../plan/plan-modules.ts'
import { shopModules } from '../../../../tests/support/shop-modules.ts'
import { bundleModules } from './bundle-modules.ts'

test('bundleModules: applied twice is applied once', async (t) => {
  await using database = await emptyDatabase()
  const db = connect(database.url)
  t.after(() => db.close())
  const script = bundleModules(await planModules(shopModules))
  const connection = await db.dedicated()

  await connection.script(script)
  const once = await readCatalog(db)
  await connection.script(script)
  const twice = await readCatalog(db)
  await connection.release()

  assert.deepEqual(compareCatalogs(once, twice), [])
  assert.deepEqual(
    [...once.tables.keys()],
    ['base.tenants', 'shop.lines', 'shop.lines_old', 'shop.lines_rest', 'shop.orders'],
  )
  assert.equal(once.tables.get('shop.orders')?.constraints.get('orders_base_fkey')?.comment, 'whose')
})

test('bundleModules: a script that fails half-way leaves nothing behind', async (t) => {
  await using database = await emptyDatabase()
  const db = connect(database.url)
  t.after(() => db.close())
  const script = `${bundleModules(await planModules(shopModules))}\nselect 1/0;`
  const connection = await db.dedicated()

  await assert.rejects(connection.script(script))
  const catalog = await readCatalog(db)
  await connection.release()

  assert.equal(catalog.schemas.has('shop'), false)
})

test('bundleModules: part of the modules, and then all, give the same catalog as all at once', async () => {
  const optional = fixtureModule('base', [], {
    '000-schema.sql': 'create schema base;',
    '100-t.sql': `create table base.t (id int primary key, first int, next int);
create table base.u (id int primary key);
alter table base.t add constraint t_self_fkey foreign key (next) references base.t (id);
alter table base.t add constraint t_below_fkey foreign key (id) references base.u (id);
alter table base.t add constraint t_optional_fkey foreign key (first) references shop.s (id);`,
  })
  const shop = fixtureModule('shop', ['base'], {
    '000-schema.sql': 'create schema shop;',
    '100-s.sql': `create table shop.s (id int primary key, day date) partition by hash (id);
create table shop.s_one partition of shop.s for values with (modulus 1, remainder 0);
alter table shop.s add constraint s_base_fkey foreign key (id) references base.t;`,
  })
  const part = bundleModules(await planModules([optional, shop], { select: ['base'] }))
  const all = bundleModules(await planModules([optional, shop]))

  const atOnce = await catalogAfter([all])
  const inSteps = await catalogAfter([part, all, all])

  assert.deepEqual(compareCatalogs(atOnce, inSteps), [])
  assert.equal(atOnce.tables.get('base.t')?.constraints.size, 4)
  assert.equal(atOnce.tables.get('shop.s')?.constraints.size, 2)
})

async function catalogAfter(scripts: readonly string[]): Promise<Catalog> {
  await using database = await emptyDatabase()
  const db = connect(database.url)
  const connection = await db.dedicated()
  for (const script of scripts) await connection.script(script)
  const catalog = await readCatalog(db)
  await connection.release()
  await db.close()
  return catalog
}
