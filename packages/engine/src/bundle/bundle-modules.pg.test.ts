import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '@imhotep/postgres'
import { emptyDatabase } from '../../../../tests/support/database.ts'
import { compareCatalogs } from '../catalog/compare.ts'
import { readCatalog } from '../catalog/live.ts'
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
