import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import {
  applyMigrations,
  applySeeds,
  compareCatalogs,
  isVerified,
  readCatalog,
  readModules,
  serviceModules,
  verifyDatabase,
} from '@imhotep/engine'
import { connect } from '@imhotep/postgres'
import { emptyDatabase } from '../support/database.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const modules = await readModules(`${root}schema`)
const services = readdirSync(`${root}db/services`)

describe('a database for each service', () => {
  let attempts = 0
  let untested = 0

  after(() => console.log(`services: ${services.length} databases, ${attempts} attempts, ${untested} not tried`))

  for (const service of services) {
    test(`${service}: twice is once, the rules hold and no attack gets through`, async () => {
      await using database = await emptyDatabase()
      const db = connect(database.url)
      const directory = `${root}db/services/${service}`
      const script = readFileSync(`${directory}/V001__${service}_schema.sql`, 'utf8')
      const own = await serviceModules(modules, service)
      try {
        await applyMigrations(database.url, { directory })
        const once = await readCatalog(db)
        const connection = await db.dedicated()
        await connection.script(script)
        await connection.release()
        const twice = await readCatalog(db)
        await applySeeds(database.url, own, 'system')

        const report = await verifyDatabase(db, { attack: 'full' })

        attempts += report.attack?.attempts ?? 0
        if (process.env['SHOW']) console.log(service, report.attack?.attempts, JSON.stringify(Object.entries((report.attack?.untested ?? []).reduce<Record<string, number>>((n, u) => ({ ...n, [u.reason]: (n[u.reason] ?? 0) + 1 }), {})).sort((a, b) => b[1] - a[1]).slice(0, 8)))
        untested += report.attack?.untested.length ?? 0
        assert.deepEqual(compareCatalogs(once, twice), [])
        assert.deepEqual(report.findings, [])
        assert.deepEqual(report.attack?.through, [])
        assert.ok(isVerified(report))
        assert.ok((report.attack?.attempts ?? 0) > 500)
      } finally {
        await db.close()
      }
    })
  }
})
