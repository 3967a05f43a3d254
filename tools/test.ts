// Runs the tests: one PostgreSQL server for all, and one process for all files (a process per file costs ten times as much).
//   npm test -- [--slow] [--postgres 15|16|17|18] [--coverage] [--times] [PART OF A PATH ...]
import { spawn, type ChildProcess } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startEmbedded, stopEmbedded, type EmbeddedServer } from '@imhotep/postgres'
import { testSettings, testVersion } from '../tests/support/server.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const { values: options, positionals: filters } = parseArgs({
  allowPositionals: true,
  options: {
    slow: { type: 'boolean', default: false },
    postgres: { type: 'string' },
    coverage: { type: 'boolean', default: false },
    times: { type: 'boolean', default: false },
  },
})
if (options.times) process.env['IMHOTEP_TEST_TIMES'] = '1'
if (options.postgres !== undefined) process.env['IMHOTEP_TEST_POSTGRES'] = options.postgres

const files = await findTests()
if (files.length === 0) {
  console.error(`no test file matches ${filters.join(' ') || 'packages/*/src and tests'}`)
  process.exit(1)
}

const directory = await mkdtemp(join(tmpdir(), 'imhotep-test-'))
/** TMPDIR of the tests: what a test leaves there, also a server, goes with it. */
const temporary = join(directory, 'tmp')
let server: EmbeddedServer | undefined
let child: ChildProcess | undefined
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child?.kill('SIGTERM'))

try {
  process.exitCode = await main()
} finally {
  await server?.stop('immediate')
  await stopServersBelow(temporary)
  await rm(directory, { recursive: true, force: true })
}

async function main(): Promise<number> {
  // The server's user must be able to enter.
  await chmod(directory, 0o755)
  await mkdir(temporary)
  await chmod(temporary, 0o1777)
  server = await startEmbedded({ directory, version: testVersion(), settings: testSettings })
  console.log(`${files.length} test files on PostgreSQL ${server.version}, Node ${process.versions.node}`)
  return await runTests(server.url())
}

async function findTests(): Promise<string[]> {
  const found = await Promise.all(['packages', 'tests', 'tools'].map((name) => list(join(root, name))))
  return found
    .flat()
    .filter((file) => file.endsWith('.test.ts') && file.endsWith('.slow.test.ts') === options.slow)
    .map((file) => relative(root, file).split(sep).join('/'))
    .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)))
    .toSorted()
}

async function list(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  const nested = entries.map(async (entry) => {
    if (entry.isFile()) return [join(folder, entry.name)]
    return ['node_modules', 'dist', 'fixtures'].includes(entry.name) ? [] : await list(join(folder, entry.name))
  })
  return (await Promise.all(nested)).flat()
}

/** Exit status of the process that runs the files: 0 only when its reporter has seen tests, and no failure. */
function runTests(url: string): Promise<number> {
  const args = ['--conditions=source', '--import', 'tsx', '--enable-source-maps']
  if (options.coverage) args.push('--experimental-test-coverage')
  args.push(
    `--test-reporter=${new URL('test-reporter.ts', import.meta.url).href}`,
    '--test-reporter-destination=stdout',
  )
  return new Promise((resolve) => {
    child = spawn(process.execPath, [...args, join(root, 'tools/test-files.ts'), ...files], {
      cwd: root,
      stdio: 'inherit',
      env: {
        ...process.env,
        TMPDIR: temporary,
        IMHOTEP_TEST_SERVER: url,
        IMHOTEP_TEST_POSTGRES: String(testVersion()),
      },
    })
    child.on('error', () => resolve(1))
    child.on('exit', (code) => resolve(code ?? 1))
  })
}

/** Servers of tests that were interrupted: found by their process file, or by the pointer to where root keeps them. */
async function stopServersBelow(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])) {
    if (entry.name === 'postmaster.pid') await stopEmbedded(dirname(entry.parentPath)).catch(() => undefined)
    if (entry.name === 'location') await stopEmbedded(entry.parentPath).catch(() => undefined)
  }
}
