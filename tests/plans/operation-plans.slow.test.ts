import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { applyMigrations, applySeeds, readModules } from '@imhotep/engine'
import { connect, startEmbedded, type Database } from '@imhotep/postgres'
import { testSettings, testVersion } from '../support/server.ts'
import { readPlans, type Scan } from './read-plans.ts'
import { scaleHospital } from './scale-hospital.ts'

// The tests of packages/domain run every operation. Here they run once more on a hospital of 100,000 patients, with a
// server that logs the plan of every statement; then no statement of an operation may have read a large table from end
// to end, nor all rows of a tenant.

const root = fileURLToPath(new URL('../../', import.meta.url))
const template = 'imhotep_large_hospital'
/** Tables with fewer rows are read whole for a good reason. */
const large = 1_000

test('operations: every statement on a large table goes by an index that tells more than the tenant', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'imhotep-plans-'))
  await chmod(directory, 0o1777) // the server's user writes its log here
  const server = await startEmbedded({
    directory: join(directory, 'postgres'),
    version: testVersion(),
    settings: {
      ...testSettings,
      log_min_messages: 'warning',
      logging_collector: 'on',
      log_directory: directory,
      log_filename: 'plans.log',
      log_rotation_size: '0',
      log_rotation_age: '0',
    },
  })
  try {
    const { largeTables, partialIndexes, bodies } = await makeLargeHospital(server.url())
    const output = await runOperations(server.url())
    const log = await readFile(join(directory, 'plans.log'), 'utf8')

    const scans = [...readPlans(log)].filter(
      ({ relation, query }) => largeTables.has(relation) && isOfAnOperation(query, bodies),
    )
    const slow = new Map<string, Scan>()
    for (const scan of scans)
      if (isSlow(scan, partialIndexes))
        slow.set(
          `${scan.relation}: ${scan.node} ${scan.index ?? ''} ${scan.condition ?? ''} in ${start(scan.query)}`,
          scan,
        )
    console.log(
      `plans: ${scans.length} scans of ${new Set(scans.map(({ relation }) => relation)).size} large tables, ${slow.size} slow`,
    )

    assert.match(output, /\n\d+ passed, 0 failed/, 'the operations themselves must work on the large hospital')
    assert.ok(scans.length > 1_000, `looked at ${scans.length} scans only`)
    assert.deepEqual([...slow.keys()], [])
  } finally {
    await server.stop('immediate')
    await rm(directory, { recursive: true, force: true })
  }
})

interface LargeHospital {
  readonly largeTables: ReadonlySet<string>
  /** Names of indexes that hold some rows only. */
  readonly partialIndexes: ReadonlySet<string>
  /** Texts of the functions, white space folded. */
  readonly bodies: string
}

async function makeLargeHospital(url: string): Promise<LargeHospital> {
  const admin = connect(url)
  try {
    await admin.query(`create database ${template}`)
    const at = new URL(url)
    at.pathname = `/${template}`
    const modules = await readModules(join(root, 'schema'))
    await applyMigrations(at.href, { directory: join(root, 'db/migration') })
    const db = connect(at.href)
    try {
      await db.query(`select core.set_environment('dev')`)
      await applySeeds(at.href, modules, 'system')
      await applySeeds(at.href, modules, 'demo')
      await scaleHospital(db, { rows: 2_000, rowsOf: { 'patient.patients': 100_000 } })
      await logPlansOfApplications(db)
      return {
        largeTables: await readLargeTables(db),
        partialIndexes: await readPartialIndexes(db),
        bodies: await readBodies(db),
      }
    } finally {
      await db.close()
      await admin.query(`alter database ${template} with is_template true allow_connections false`)
    }
  } finally {
    await admin.close()
  }
}

/** Settings of the role, not of the database: a clone of a template does not inherit the latter. */
async function logPlansOfApplications(db: Database): Promise<void> {
  await db.query(`alter role imhotep_app login password 'imhotep-test'`)
  const settings = {
    session_preload_libraries: 'auto_explain',
    'auto_explain.log_min_duration': '0',
    'auto_explain.log_nested_statements': 'on',
    'auto_explain.log_verbose': 'on',
    'auto_explain.log_format': 'json',
  }
  await db.query(`load 'auto_explain'`)
  for (const [name, value] of Object.entries(settings))
    await db.query(`alter role imhotep_app set ${name} = '${value}'`)
}

async function readLargeTables(db: Database): Promise<Set<string>> {
  const rows = await db.query<{ name: string }>(
    `select c.oid::regclass::text as name from pg_class c where c.relkind = 'r' and c.reltuples >= $1`,
    [large],
  )
  return new Set(rows.map(({ name }) => name))
}

async function readPartialIndexes(db: Database): Promise<Set<string>> {
  const rows = await db.query<{ name: string }>(
    `select c.relname as name from pg_index x join pg_class c on c.oid = x.indexrelid where x.indpred is not null`,
  )
  return new Set(rows.map(({ name }) => name))
}

async function readBodies(db: Database): Promise<string> {
  const rows = await db.query<{ body: string }>(`
    select p.prosrc as body from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname !~ '^(pg_|information_schema)'`)
  return fold(rows.map(({ body }) => body).join('\n'))
}

/** The quick tests of packages/domain, each of whose databases is a copy of the large one. */
async function runOperations(url: string): Promise<string> {
  const found = await readdir(join(root, 'packages/domain/src'), { recursive: true })
  const files = found.filter((file) => file.endsWith('.pg.test.ts') && !file.endsWith('operations.pg.test.ts'))
  const child = spawn(
    process.execPath,
    [
      '--conditions=source',
      '--import',
      'tsx',
      `--test-reporter=${new URL('../../tools/test-reporter.ts', import.meta.url).href}`,
      '--test-reporter-destination=stdout',
      join(root, 'tools/test-files.ts'),
      ...files.toSorted().map((file) => join(root, 'packages/domain/src', file)),
    ],
    {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, IMHOTEP_TEST_SERVER: url, IMHOTEP_TEST_TEMPLATE: template, NODE_TEST_CONTEXT: '' },
    },
  )
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  return new Promise((resolve) => child.on('close', () => resolve(output)))
}

/** A statement in the text of a function, or one of the server's own for a reference. Not what a test asks for itself. */
function isOfAnOperation(query: string, bodies: string): boolean {
  return query.startsWith('SELECT 1 FROM ONLY') || bodies.includes(fold(query).slice(0, 80))
}

function isSlow({ node, index, condition }: Scan, partialIndexes: ReadonlySet<string>): boolean {
  if (node === 'Seq Scan') return true
  if (index === null || partialIndexes.has(index)) return false
  const besidesTenant = (condition ?? '')
    .replaceAll(/\(+(\w+\.)?tenant_id = [^)]*\)+/g, '')
    .replaceAll(/[() ]|AND/g, '')
  return besidesTenant === ''
}

function fold(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim()
}

function start(query: string): string {
  return fold(query).slice(0, 120)
}
