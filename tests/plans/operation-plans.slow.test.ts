import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startEmbedded } from '@imhotep/postgres'
import { testSettings, testVersion } from '../support/server.ts'
import { makeLargeHospital } from './large-hospital.ts'
import { readPlans, type Scan } from './read-plans.ts'

// The tests of packages/domain run every operation. Here they run once more in a hospital of 100,000 patients, with a
// server that logs the plan of every statement; then no statement of an operation may have read a large table from end
// to end, nor all rows of a tenant.
//   IMHOTEP_PLANS=insurance npm run test:slow -- plans     only the tests with this part in their path

const root = fileURLToPath(new URL('../../', import.meta.url))
const database = 'imhotep_large_hospital'

test('operations: every statement on a large table goes by an index that tells more than the tenant', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'imhotep-plans-'))
  await chmod(directory, 0o1777) // the server's user writes its log here
  const server = await startEmbedded({
    directory: join(directory, 'postgres'),
    version: testVersion(),
    settings: {
      ...testSettings,
      // statistics stay what they are when the hospital is made
      autovacuum: 'off',
      shared_buffers: '1GB',
      max_wal_size: '8GB',
      log_min_messages: 'warning',
      logging_collector: 'on',
      log_directory: directory,
      log_filename: 'plans.log',
      log_rotation_size: '0',
      log_rotation_age: '0',
    },
  })
  try {
    const { largeTables, partialIndexes, bodies } = await makeLargeHospital(server.url(), database)

    await t.test('the tests of the operations pass in the large hospital', async () => {
      const output = await runOperations(server.url())
      assert.match(output, /\n\d+ passed, 0 failed/, output)
    })

    const log = await readFile(join(directory, 'plans.log'), 'utf8')
    const isOfAnOperation = memoized((query) => isOurs(query, bodies))
    const scans = [...readPlans(log)].filter(
      ({ relation, query }) => largeTables.has(relation) && isOfAnOperation(query),
    )
    const slow = scans.filter((scan) => isSlow(scan, partialIndexes))
    const shown = new Set(slow.map(show))
    console.log(
      `plans: ${scans.length} scans of ${new Set(scans.map(({ relation }) => relation)).size} of ${largeTables.size} large tables, ${shown.size} slow`,
    )
    assert.deepEqual([...shown], [])
    if (part === '') assert.ok(scans.length > 10_000, `looked at ${scans.length} scans only`)
  } finally {
    await server.stop('immediate')
    await rm(directory, { recursive: true, force: true })
  }
})

const part = process.env['IMHOTEP_PLANS'] ?? ''

/** The quick tests of packages/domain, in the large hospital: they share it, each with a tenant of its own. */
async function runOperations(url: string): Promise<string> {
  const found = await readdir(join(root, 'packages/domain/src'), { recursive: true })
  const files = found.filter(
    (file) => file.endsWith('.pg.test.ts') && !file.endsWith('operations.pg.test.ts') && file.includes(part),
  )
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
      env: { ...process.env, IMHOTEP_TEST_SERVER: url, IMHOTEP_TEST_DATABASE: database, NODE_TEST_CONTEXT: '' },
    },
  )
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  return new Promise((resolve) => child.on('close', () => resolve(output)))
}

/** A statement in the text of a function, or one of the server's own for a reference. Not what a test asks for itself. */
function isOurs(query: string, bodies: string): boolean {
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

function show({ relation, node, index, condition, query }: Scan): string {
  const where = (condition ?? '').replaceAll(/'[0-9a-f-]{36}'::uuid/g, '$')
  return `${relation}: ${node} ${index ?? ''} ${where} in ${fold(query).slice(0, 160)}`
}

function fold(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim()
}

function memoized(compute: (key: string) => boolean): (key: string) => boolean {
  const known = new Map<string, boolean>()
  return (key) => {
    const value = known.get(key) ?? compute(key)
    known.set(key, value)
    return value
  }
}
