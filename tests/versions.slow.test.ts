import assert from 'node:assert/strict'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import {
  applyMigrations,
  applySeeds,
  compareCatalogs,
  lintFiles,
  lintRules,
  makeBaseline,
  proveBaseline,
  readCatalog,
  readDump,
  readModules,
  verifyDatabase,
  type Baseline,
} from '@imhotep/engine'
import { connect, startEmbedded, type Database } from '@imhotep/postgres'
import { exportSchema } from './support/pg-dump.ts'
import { testSettings } from './support/server.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const modules = await readModules(join(root, 'schema'))

for (const version of [15, 16, 17, 18] as const) {
  test(`PostgreSQL ${version}: the export of the whole schema makes it anew; with its demo it withstands attacks`, async () => {
    await using server = await startServer(version)
    const url = await server.install('hospital')
    const dump = join(server.directory, 'dump.sql')

    await writeFile(dump, await exportSchema(url, version))
    const baseline = await makeBaseline(await readDump(dump), { owner: 'keep' })
    const proof = await proveBaseline(baseline, { server: server.url('postgres'), plain: baseline })
    const differences = await server.compare('hospital', baseline)
    await server.on('hospital', (db) => db.query(`select core.set_environment('dev')`))
    await applySeeds(url, modules, 'demo')
    const report = await server.on('hospital', (db) =>
      verifyDatabase(db, { attack: { mode: 'quick', functions: false } }),
    )

    assert.deepEqual(report.findings, [])
    assert.ok(report.attack && report.attack.attempts > 1000)
    assert.deepEqual(report.attack.through, [])
    assert.deepEqual(proof, { equal: true, idempotent: true, exact: null, rows: null, differences: [] })
    assert.deepEqual(differences, [])
    assert.deepEqual(await historyFindings(baseline), [])
  })
}

/** A fresh server of a version, with all its files in one directory. */
async function startServer(version: 15 | 16 | 17 | 18) {
  const directory = await mkdtemp(join(tmpdir(), 'imhotep-version-'))
  // its user must be able to enter
  await chmod(directory, 0o755)
  const server = await startEmbedded({ directory: join(directory, 'server'), version, settings: testSettings })

  async function on<T>(database: string, work: (db: Database) => Promise<T>): Promise<T> {
    const db = connect(server.url(database), { applicationName: 'imhotep-tests' })
    try {
      return await work(db)
    } finally {
      await db.close()
    }
  }
  const create = (name: string) => on('postgres', (db) => db.query(`create database ${name} template template0`))

  return {
    directory,
    url: (database: string) => server.url(database),
    on,
    /** The connection string of a new database with the whole schema and its system rows. */
    async install(name: string): Promise<string> {
      await create(name)
      const url = server.url(name)
      await applyMigrations(url, { directory: join(root, 'db/migration') })
      await applySeeds(url, modules, 'system')
      return url
    },
    /** What differs between a database and an empty one that the baseline was run on. */
    async compare(name: string, { files }: Baseline) {
      await create('target')
      const made = await on('target', async (db) => {
        const connection = await db.dedicated()
        await connection.script(`begin;\n${files.map(({ text }) => text).join('\n')}\ncommit;`)
        await connection.release()
        return readCatalog(db)
      })
      return compareCatalogs(await on(name, readCatalog), made)
    },
    async [Symbol.asyncDispose]() {
      await server.stop('immediate')
      await rm(directory, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

async function historyFindings({ files }: Baseline) {
  const { findings } = await lintFiles(
    files.map(({ name, text }) => ({ path: name, text })),
    { rules: lintRules },
  )
  return findings.filter(({ family }) => family === 'history')
}
