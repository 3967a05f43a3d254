import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testServer } from '../../../../tests/support/database.ts'
import { compareCatalogs } from '../catalog/compare.ts'
import { readLive, withScratch } from '../diff/scratch.ts'
import { withProject } from '../migrate/knex/project.fixture.ts'
import { undoMigrations } from './undo-migrations.ts'

const FILES = {
  '20260101_goods.mjs': `export const up = (knex) => knex.schema.createTable('goods', (t) => { t.increments(); t.text('name') })
    export const down = (knex) => knex.schema.dropTable('goods')`,
  '20260102_price.mjs': `export const up = (knex) => knex.schema.alterTable('goods', (t) => { t.decimal('price', 9, 2) })
    export const down = (knex) => knex.schema.alterTable('goods', (t) => { t.dropColumn('price') })`,
  '20260103_orders.mjs': `export const up = (knex) => knex.schema.createTable('orders', (t) => { t.increments(); t.integer('good').references('goods.id') })
    export const down = () => Promise.resolve()`,
}

test('undoMigrations: a Knex history goes back by its down, or computed where down does nothing, and comes again', async () => {
  await withProject(FILES, async ({ url, directory, migrate }) => {
    await migrate()
    const latest = await readLive(url)

    const back = await withScratch(await testServer(), (scratch) =>
      undoMigrations(url, { directory, scratch, to: '20260101', allowDataLoss: true }),
    )
    const between = await readLive(url)
    await migrate()

    assert.deepEqual(
      back.steps.map(({ how }) => how),
      ['computed', 'down'],
    )
    assert.deepEqual(
      [between.tables.has('public.orders'), between.tables.get('public.goods')?.columns.has('price')],
      [false, false],
    )
    assert.deepEqual(compareCatalogs(latest, await readLive(url)), [])
  })
})
