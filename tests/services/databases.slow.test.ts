import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  applyMigrations,
  applySeeds,
  compareCatalogs,
  readCatalog,
  serviceModules,
  verifyDatabase,
} from '@imhotep/engine'
import { connect, type Database } from '@imhotep/postgres'
import { demoDatabase, emptyDatabase, type TestDatabase } from '../support/database.ts'
import {
  directoryOf,
  modules,
  moveRows,
  scriptOf,
  serviceDatabase,
  services,
  topologyOf,
} from './service-databases.fixture.ts'

describe('a database for each service', () => {
  let shared: TestDatabase
  let hospital: Database
  let attempts = 0
  let untested = 0
  let rows = 0
  let references = 0

  before(async () => {
    shared = await demoDatabase()
    hospital = connect(shared.url)
  })

  after(async () => {
    console.log(
      `services: ${services.length} databases, ${rows} rows moved, ${references} soft references hold, ` +
        `${attempts} attempts, ${untested} not tried`,
    )
    await hospital.close()
    await shared.drop()
  })

  for (const service of services) {
    test(`${service}: installed twice is installed once, and takes its system seed`, async () => {
      await using database = await emptyDatabase()
      const db = connect(database.url)
      try {
        await applyMigrations(database.url, { directory: directoryOf(service) })
        const once = await readCatalog(db)
        const connection = await db.dedicated()
        await connection.script(scriptOf(service))
        await connection.release()
        const twice = await readCatalog(db)
        const seeded = await applySeeds(database.url, await serviceModules(modules, service), 'system')

        assert.deepEqual(compareCatalogs(once, twice), [])
        assert.ok(seeded.applied.length > 0)
      } finally {
        await db.close()
      }
    })

    test(`${service}: with the rows of the demo hospital the rules hold and no attack gets through`, async () => {
      await using database = await serviceDatabase(service)
      const topology = await topologyOf(service)
      rows += await moveRows(hospital, database.db, topology)

      const report = await verifyDatabase(database.db, { attack: 'full' })
      const held = await brokenReferences(database.db, topology)

      attempts += report.attack?.attempts ?? 0
      untested += report.attack?.untested.length ?? 0
      references += held.checked
      assert.deepEqual(report.findings, [])
      assert.deepEqual(report.attack?.through, [])
      assert.deepEqual(held.broken, [])
    })
  }
})

/** What the triggers would refuse, had the rows not been moved under their eyes. */
async function brokenReferences(db: Database, topology: Awaited<ReturnType<typeof topologyOf>>) {
  const checked = topology.softReferences.filter((reference) => reference.checked)
  const broken: string[] = []
  for (const { table, column, references, constraint } of checked) {
    const [counted] = await db.query<{ n: number }>(
      `select count(*)::int as n from ${table} t where t.${column} is not null and not exists (
         select from core.entity_refs r
         where r.tenant_id = t.tenant_id and r.entity_type = $1 and r.entity_id = t.${column})`,
      [references],
    )
    if (counted?.n !== 0) broken.push(`${table}.${constraint}: ${counted?.n}`)
  }
  return { checked: checked.length, broken }
}
