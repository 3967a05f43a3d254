// Runs the tests in at most two processes at once, each with a PostgreSQL server.
//   npm test -- [--slow] [--postgres 15|16|17|18] [--coverage FILE] [--times] [PART OF A PATH ...]
// The lines that the tests reach are added to the file; `npm run coverage -- FILE` sums them up.
import { spawn, type ChildProcess } from 'node:child_process'
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { startEmbedded, stopEmbedded, type EmbeddedServer } from '@imhotep/postgres'
import { bundle, bundleDirectory, bundleDirectoryVariable } from '../tests/support/bundled.ts'
import { dataDirectoryVariable, roomyDirectory } from '../tests/support/roomy-directory.ts'
import { testSettings, testVersion } from '../tests/support/server.ts'
import { addCoverage } from './line-coverage.ts'

/** A process per file costs quick tests ten times as much. */
const filesOfPart = 16

const root = fileURLToPath(new URL('..', import.meta.url))
const { values: options, positionals: filters } = parseArgs({
  allowPositionals: true,
  options: {
    slow: { type: 'boolean', default: false },
    postgres: { type: 'string' },
    coverage: { type: 'string' },
    times: { type: 'boolean', default: false },
  },
})
if (options.times) process.env['IMHOTEP_TEST_TIMES'] = '1'
if (options.slow) process.env['IMHOTEP_TEST_SLOW'] = '1'
if (options.postgres !== undefined) process.env['IMHOTEP_TEST_POSTGRES'] = options.postgres

const files = await findTests()
if (files.length === 0) {
  console.error(`no test file matches ${filters.join(' ') || 'packages/*/src and tests'}`)
  process.exit(1)
}

const directory = await mkdtemp(join(await roomyDirectory(), 'imhotep-test-'))
/** TMPDIR of the tests: what a test leaves there, also a server, goes with it. On disk: programs may not run in memory. */
const temporary = await mkdtemp(join(tmpdir(), 'imhotep-test-'))
const bundles = bundleDirectory()
const compiledTests = join(bundles, 'tests')
/** Where the processes write what they ran. */
const covered = join(directory, 'coverage')
const servers: EmbeddedServer[] = []
const children: ChildProcess[] = []
/** Files that are still to be run, a list for each process. */
const waiting = parts()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    waiting.length = 0
    children.forEach((child) => child.kill('SIGTERM'))
  })
}

try {
  process.exitCode = await main()
} finally {
  await Promise.all(servers.map((server) => server.stop('immediate')))
  await Promise.all([directory, temporary].map(stopServersBelow))
  await rm(directory, { recursive: true, force: true })
  await rm(temporary, { recursive: true, force: true })
  await rm(bundles, { recursive: true, force: true })
}

async function main(): Promise<number> {
  // The servers' user must be able to enter.
  await chmod(directory, 0o755)
  await chmod(temporary, 0o1777)
  const version = testVersion()
  console.log(`${files.length} test files on PostgreSQL ${version}, Node ${process.versions.node}`)
  const program = await makeProgram()
  const results: Result[] = []
  const isOnly = waiting.length === 1
  const workers = Array.from({ length: Math.min(2, waiting.length) }, async (_, index) => {
    const server = await startEmbedded({ directory: join(directory, String(index)), version, settings: testSettings })
    servers.push(server)
    for (let part = waiting.shift(); part !== undefined; part = waiting.shift())
      results.push(await runTests(program(part), server.url(), isOnly))
  })
  await Promise.all(workers)
  const sum = (key: 'passed' | 'failed' | 'skipped') => results.reduce((total, result) => total + result[key], 0)
  const skipped = sum('skipped') === 0 ? '' : `, ${sum('skipped')} skipped`
  if (options.coverage !== undefined) await addCoverage(options.coverage, covered, bundles)
  console.log(`\n${sum('passed')} passed, ${sum('failed')} failed${skipped}`)
  return results.every(({ ok }) => ok) ? 0 : 1
}

/** The arguments of node that run some test files: compiled once for all processes, they start in a third of the time. */
async function makeProgram(): Promise<(part: string[]) => string[]> {
  const reporter = 'tools/test-reporter.ts'
  const program = 'tools/test-files.ts'
  const compiled = (file: string) => join(compiledTests, file.replace(/\.ts$/, '.mjs'))
  await bundle(
    [reporter, program, ...files].map((file) => join(root, file)),
    compiledTests,
    root,
  )
  const options = [
    '--enable-source-maps',
    `--test-reporter=${pathToFileURL(compiled(reporter)).href}`,
    '--test-reporter-destination=stdout',
  ]
  return (part) => [...options, compiled(program), ...part.map(compiled)]
}

/**
 * What one process runs: it gives its connections and databases back at its end. A slow test holds hundreds; of quick ones
 * there are so many that a server with all their idle connections is three times slower.
 */
function parts(): string[][] {
  const size = options.slow ? 1 : filesOfPart
  return Array.from({ length: Math.ceil(files.length / size) }, (_, n) => files.slice(n * size, (n + 1) * size))
}

async function findTests(): Promise<string[]> {
  const found = await Promise.all(['packages', 'tests', 'tools'].map((name) => list(join(root, name))))
  const files = found
    .flat()
    .filter((file) => file.endsWith('.test.ts') && file.endsWith('.slow.test.ts') === options.slow)
    .map((file) => relative(root, file).split(sep).join('/'))
    .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)))
    .toSorted()
  // The longest ones are in tests/: one that begins last would leave the other process without work.
  return options.slow ? files.toReversed() : files
}

async function list(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  const nested = entries.map(async (entry) => {
    if (entry.isFile()) return [join(folder, entry.name)]
    return ['node_modules', 'dist', 'fixtures'].includes(entry.name) ? [] : await list(join(folder, entry.name))
  })
  return (await Promise.all(nested)).flat()
}

interface Result {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  /** The process saw tests, and no failure. */
  readonly ok: boolean
}

/** Runs tests in a process of their own; its output is shown as it comes, or at the end. */
function runTests(program: string[], url: string, live: boolean): Promise<Result> {
  const coverage = options.coverage === undefined ? {} : { NODE_V8_COVERAGE: covered }
  const child = spawn(process.execPath, program, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      ...coverage,
      TMPDIR: temporary,
      [bundleDirectoryVariable]: bundles,
      [dataDirectoryVariable]: directory,
      IMHOTEP_TEST_POSTGRES: String(testVersion()),
      IMHOTEP_TEST_SERVER: url,
    },
  })
  children.push(child)
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    if (live) process.stdout.write(text)
  })
  return new Promise((resolve) => {
    child.on('error', () => resolve({ passed: 0, failed: 1, skipped: 0, ok: false }))
    child.on('close', (code) => {
      if (!live) process.stdout.write(output)
      const [, passed, failed, skipped] = /(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\s*$/.exec(output) ?? []
      const isSilent = code !== 0 && failed === '0'
      if (isSilent) console.log(`\nFAILED no test, but their process ended with ${code}: node ${program.join(' ')}`)
      resolve({
        passed: Number(passed ?? 0),
        failed: isSilent ? 1 : Number(failed ?? 1),
        skipped: Number(skipped ?? 0),
        ok: code === 0 && passed !== undefined,
      })
    })
  })
}

/** Servers of tests that were interrupted: found by their process file, or by the pointer to where root keeps them. */
async function stopServersBelow(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])) {
    if (entry.name === 'postmaster.pid') await stopEmbedded(dirname(entry.parentPath)).catch(() => undefined)
    if (entry.name === 'location') await stopEmbedded(entry.parentPath).catch(() => undefined)
    if (entry.name.startsWith('imhotep-mariadb-')) await stopMariadb(join(entry.parentPath, entry.name))
  }
}

/** By the note that tests/support/mariadb.ts left: process and directory. */
async function stopMariadb(note: string): Promise<void> {
  const [pid, data] = (await readFile(note, 'utf8').catch(() => '')).split('\n')
  if (!pid || !data) return
  try {
    process.kill(Number(pid), 'SIGKILL')
  } catch {
    // it has ended by itself
  }
  await rm(data, { recursive: true, force: true, maxRetries: 5 })
}
