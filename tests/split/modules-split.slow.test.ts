import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { applyMigrations, applySeeds, readModules, verifyDatabase } from '@imhotep/engine'
import { connect, type Database } from '@imhotep/postgres'
import { readEnvFile, readStatus, revertService, runServices, Split } from '@imhotep/split'
import { runOn, startLogicalServer } from '../support/logical-server.ts'
import { scaleHospital } from '../plans/scale-hospital.ts'
import { Registrar } from './registrar.fixture.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
/** All sixteen, with the hospital scaled up, take some minutes: IMHOTEP_SPLIT_SERVICES=all. */
const isWhole = process.env['IMHOTEP_SPLIT_SERVICES'] === 'all'
const some = ['lab', 'clinical']
/** The audit log of a service begins with what its own clients did. */
const auditOf = (db: Database) => count(db, 'audit.audit_logs')

test(
  'Split by modules: the demo hospital moves to a database for each service while patients register',
  { timeout: 1_200_000 },
  async (context) => {
    const logical = await startLogicalServer()
    const { server } = logical
    const directory = mkdtempSync(join(tmpdir(), 'imhotep-modules-'))
    const envDirectory = join(directory, 'env')
    await installHospital(server.url(), server.url('hospital'))
    const split = await Split.open({
      sourceUrl: server.url('hospital'),
      targetUrl: server.url(),
      schemaDirectory: join(root, 'db/services'),
      envDirectory,
      signal: new AbortController().signal,
      say: () => {},
    })
    const shared = connect(server.url('hospital'))
    const appUrl = new URL(server.url('hospital'))
    appUrl.username = 'imhotep_app'
    appUrl.password = 'imhotep-test'
    const registrar = new Registrar(() => {
      const { DATABASE_URL: own, IMHOTEP_SPLIT_ROUTE: route } = readEnvFile(join(envDirectory, 'clinical.env'))
      return route === 'own' && own !== undefined ? own : appUrl.href
    })
    try {
      const plan = await split.makeModulePlan(join(root, 'schema'))
      const archived = await auditOf(shared)

      const moved = plan.services.filter(({ name }) => isWhole || some.includes(name))
      const results = await runServices(split, { services: moved.map(({ name }) => name), goal: 'reversible' })
      await registrar.more(20)
      const registered = await registrar.stop()
      const status = await readStatus(split)

      assert.equal(plan.services.length, 16)
      assert.equal(results.length, moved.length)
      assert.ok(results.every(({ verifiedRows, gapMs }) => (verifiedRows ?? 0) > 0 && gapMs !== null))
      assert.equal(status.servicesWithOwnDatabase, moved.length)
      if (isWhole) assert.equal(status.sharedTables, 0)
      assert.deepEqual(registered.failures, [])
      assert.ok(registered.shared.length > 0 && registered.own.length >= 20)

      const clinical = split.databaseOf('hospital_clinical')
      const mrns = [...registered.shared, ...registered.own].toSorted()
      const found = await clinical.query<{ mrn: string }>(
        'select mrn from patient.patients where mrn = any ($1) and deleted_at is null',
        [mrns],
      )
      assert.deepEqual(found.map(({ mrn }) => mrn).toSorted(), mrns)
      assert.equal(new Set(mrns).size, mrns.length)
      assert.ok((await auditOf(shared)) >= archived && (await auditOf(clinical)) > 0)

      let attempts = 0
      let keptRows = 0
      for (const { name, database, keeps } of moved) {
        const db = split.databaseOf(database)
        // tests/services attacks the database of each service, with functions
        const report = await verifyDatabase(db, name === 'lab' ? { attack: { mode: 'full', functions: false } } : {})
        attempts += report.attack?.attempts ?? 0
        assert.deepEqual([name, report.findings, report.attack?.through ?? []], [name, [], []])
        const kept = await count(db, 'core.entity_refs')
        keptRows += kept
        assert.ok(kept > 0 || keeps.length === 0, `${name} keeps nothing`)
      }
      assert.deepEqual(await enterable(split.databaseOf('postgres'), 'hospital_lab_app'), ['hospital_lab'])
      const projections = await split.projections()
      await projections.tell()
      assert.deepEqual(await unknownToLab(split, clinical, registered.own), [])

      await revertService(split, 'clinical')
      const [back] = await shared.query<{ n: number }>(
        'select count(*)::int as n from patient.patients where mrn = any ($1) and deleted_at is null',
        [registered.own],
      )
      assert.equal(back?.n, registered.own.length)
      const again = new Registrar(() => appUrl.href)
      await again.more(3)
      const after = await again.stop()
      assert.deepEqual(after.failures, [])
      const more = after.own.concat(after.shared)
      assert.equal(more.filter((mrn) => mrns.includes(mrn)).length, 0)
      await projections.tell()
      assert.deepEqual(await unknownToLab(split, shared, more), [])

      const isListening = () => count(shared, `pg_trigger where tgname ~ '^imhotep_split_remember'`)
      const during = await isListening()
      for (const { name } of moved) await revertService(split, name)
      assert.ok(during > 0)
      assert.equal(await isListening(), 0)
      const gaps = results.map(({ gapMs }) => gapMs ?? 0)
      context.diagnostic(
        JSON.stringify({
          services: results.length,
          tables: moved.reduce((sum, { tables }) => sum + tables.length, 0),
          rows: results.reduce((sum, { verifiedRows }) => sum + (verifiedRows ?? 0), 0),
          keptRows,
          attempts,
          registered: mrns.length,
          worstGapMs: Math.max(...gaps),
        }),
      )
    } finally {
      await registrar.stop()
      await shared.close()
      await split.close()
      await logical.remove()
      rmSync(directory, { recursive: true })
    }
  },
)

async function installHospital(serverUrl: string, url: string): Promise<void> {
  await runOn(serverUrl, 'create database hospital template template0')
  await applyMigrations(url, { directory: join(root, 'db/migration') })
  const modules = await readModules(join(root, 'schema'))
  await applySeeds(url, modules, 'system')
  await runOn(url, `select core.set_environment('dev'); alter role imhotep_app login password 'imhotep-test'`)
  await applySeeds(url, modules, 'demo')
  if (!isWhole) return
  const db = connect(url)
  await scaleHospital(db, { rows: 2_000, valid: true }).finally(() => db.close())
}

/** Numbers of patients that the database of the laboratory was not told of. */
async function unknownToLab(split: Split, home: Database, mrns: readonly string[]): Promise<string[]> {
  const patients = await home.query<{ id: string; mrn: string }>(
    'select id, mrn from patient.patients where mrn = any ($1)',
    [mrns],
  )
  assert.equal(patients.length, mrns.length)
  const known = await split
    .databaseOf('hospital_lab')
    .query<{ id: string }>(
      `select entity_id as id from core.entity_refs where entity_type = 'patient.patients' and lifecycle = 'active'`,
    )
  const ids = new Set(known.map(({ id }) => id))
  return patients.flatMap(({ id, mrn }) => (ids.has(id) ? [] : mrn))
}

async function count(db: Database, table: string): Promise<number> {
  const [row] = await db.query<{ n: number }>(`select count(*)::int as n from ${table}`)
  return row?.n ?? 0
}

/** Databases of services that a role can enter. */
async function enterable(db: Database, role: string): Promise<string[]> {
  const rows = await db.query<{ name: string }>(
    `select datname as name from pg_database
      where datname ~ '^(hospital_|imhotep_split$)' and has_database_privilege($1, oid, 'connect')`,
    [role],
  )
  return rows.map(({ name }) => name)
}
