import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import {
  bundleModules,
  checkModuleBoundaries,
  checkModules,
  compareCatalogs,
  dependencyOrder,
  planModules,
  readCatalog,
  readModules,
  readPresets,
  type Catalog,
} from '@imhotep/engine'
import { connect } from '@imhotep/postgres'
import { emptyDatabase } from './support/database.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const modules = await readModules(`${root}schema`)
const committed = await readFile(`${root}db/migration/V001__complete_hims_schema.sql`, 'utf8')

test('the modules: are complete, and name nothing outside what they require', async () => {
  assert.ok(modules.length >= 10)
  assert.deepEqual(await checkModules(modules), [])
  assert.deepEqual(await checkModuleBoundaries(modules), [])
})

test('V001: is what the modules give, in whatever order they are read', async () => {
  const reversed = bundleModules(await planModules(modules.toReversed()))

  assert.equal(bundleModules(await planModules(modules)), reversed)
  // the command names itself in the head; everything behind it is the same
  assert.equal(withoutHead(committed), withoutHead(reversed))
})

test('V001: applied twice is applied once, and equals the modules applied one by one', async () => {
  const once = await install([committed])
  const twice = await install([committed, committed])
  const parts: string[] = []
  for (const module of dependencyOrder(modules)) {
    parts.push(bundleModules(await planModules(modules, { select: [module.name] })))
  }
  const oneByOne = await install(parts)

  assert.ok(once.tables.size > 52)
  assert.deepEqual(compareCatalogs(once, twice), [])
  assert.deepEqual(compareCatalogs(once, oneByOne), [])
})

test('V001: completes a clinic to the same schema as a new hospital', async () => {
  const { clinic } = await readPresets(`${root}schema`)
  assert.ok(clinic)
  const part = bundleModules(await planModules(modules, { select: clinic }))

  const atOnce = await install([committed])
  const inSteps = await install([part, committed])

  assert.deepEqual(compareCatalogs(atOnce, inSteps), [])
})

async function install(scripts: readonly string[]): Promise<Catalog> {
  await using database = await emptyDatabase()
  const db = connect(database.url, { max: 1 })
  const connection = await db.dedicated()
  for (const script of scripts) await connection.script(script)
  await connection.release()
  const catalog = await readCatalog(db)
  await db.close()
  return catalog
}

function withoutHead(script: string): string {
  return script.slice(script.indexOf('\nset local'))
}
