import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect, type Database } from '@imhotep/postgres'
import { emptyDatabase, hospitalDatabase } from '../../../../tests/support/database.ts'
import { compareCatalogs } from '../catalog/compare.ts'
import { readCatalog } from '../catalog/live.ts'
import { printCatalog, printedScript } from './print-catalog.ts'

async function withConnected<T>(url: string, work: (db: Database) => Promise<T>): Promise<T> {
  const db = connect(url, { max: 1 })
  try {
    return await work(db)
  } finally {
    await db.close()
  }
}

async function runScripts(db: Database, scripts: readonly string[]): Promise<void> {
  const connection = await db.dedicated()
  try {
    for (const script of scripts) await connection.script(script)
  } finally {
    await connection.release()
  }
}

for (const isRepeatable of [false, true]) {
  test(`printCatalog: the whole hospital schema, printed ${isRepeatable ? 'repeatable and run twice' : 'plainly'}, comes out the same`, async () => {
    await using hospital = await hospitalDatabase()
    await using copy = await emptyDatabase()
    const catalog = await withConnected(hospital.url, readCatalog)

    const script = printedScript(await printCatalog(catalog, { repeatable: isRepeatable }))

    const printed = await withConnected(copy.url, async (db) => {
      await runScripts(db, isRepeatable ? [script, script] : [script])
      return readCatalog(db)
    })
    assert.ok(catalog.tables.size > 100)
    assert.deepEqual(compareCatalogs(catalog, printed), [])
  })
}
