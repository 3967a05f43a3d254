import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '@imhotep/postgres'
import { emptyDatabase } from '../../../../tests/support/database.ts'
import { compareCatalogs } from '../catalog/compare.ts'
import { readCatalog } from '../catalog/live.ts'
import type { Catalog } from '../catalog/model.ts'
import { printCatalog, printedScript } from './print-catalog.ts'
import { WORKSHOP } from './workshop.fixture.ts'

/** What is there after scripts have run on a new database. */
async function catalogOf(...scripts: string[]): Promise<Catalog> {
  await using database = await emptyDatabase()
  const db = connect(database.url, { max: 1 })
  try {
    const connection = await db.dedicated()
    for (const script of scripts) await connection.script(script)
    await connection.release()
    return await readCatalog(db)
  } finally {
    await db.close()
  }
}

test('printCatalog: a printed schema makes the same schema', async () => {
  const catalog = await catalogOf(WORKSHOP)

  const script = printedScript(await printCatalog(catalog, { repeatable: false }))

  assert.deepEqual(compareCatalogs(catalog, await catalogOf(script)), [])
})

test('printCatalog: what is repeatable can be run twice', async () => {
  const catalog = await catalogOf(WORKSHOP)

  const script = printedScript(await printCatalog(catalog, { repeatable: true }))

  assert.deepEqual(compareCatalogs(catalog, await catalogOf(script)), [])
  assert.deepEqual(compareCatalogs(catalog, await catalogOf(script, script)), [])
})

test('printCatalog: keys that say the same are all made', async () => {
  const catalog = await catalogOf(`
    create table t (id int constraint t_pkey primary key, a int, b int, constraint t_ab unique (a, b));
    alter table t add constraint t_id unique (id);
    alter table t add constraint t_id_late unique (id) deferrable;
    alter table t add constraint t_ab_again unique (a, b);
    create table r (id int references t (id));`)

  const script = printedScript(await printCatalog(catalog, { repeatable: true }))

  assert.deepEqual(compareCatalogs(catalog, await catalogOf(script, script)), [])
})

test('printCatalog: prints the same text for what it has printed', async () => {
  const script = printedScript(await printCatalog(await catalogOf(WORKSHOP), { repeatable: false }))

  const again = printedScript(await printCatalog(await catalogOf(script), { repeatable: false }))

  assert.equal(again, script)
})
