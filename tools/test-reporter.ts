// Prints a dot a test, failures in full at once, and at the end `N passed, N failed`. Node's own reporters know of no
// last line that a script can look for, and count suites as tests.
import { readFileSync } from 'node:fs'
import { SourceMap, type SourceMapPayload } from 'node:module'
import { relative } from 'node:path'
import { inspect } from 'node:util'
import type { TestEvent } from 'node:test/reporters'
import { transformSync } from 'esbuild'

/** One slow test may take minutes. */
const silenceLimitMs = process.env['IMHOTEP_TEST_SLOW'] ? 900_000 : 180_000
/** Percent of the lines of packages/ that tests must reach. */
const coverageBar = 90

const counts = { passed: 0, failed: 0, skipped: 0 }
const durations: { name: string; ms: number }[] = []
/** Node only warns when it cannot read what was written. */
let isCoverageMissing = process.execArgv.includes('--experimental-test-coverage')
let running = 'no test'
let lastEvent = Date.now()

export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  watch()
  let column = 0
  for await (const event of events) {
    lastEvent = Date.now()
    if (event.type === 'test:start' || event.type === 'test:dequeue') running = event.data.name
    if (event.type === 'test:coverage') yield showCoverage(event.data)
    // what belongs to no test: an error that nobody waited for, coverage that cannot be read
    if (event.type === 'test:diagnostic' && event.data.message.startsWith('Warning:'))
      yield `\n\n${event.data.message}\n`
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue
    if (isContainer(event)) continue

    const mark = count(event)
    durations.push({ name: event.data.name, ms: event.data.details.duration_ms })
    if (event.type === 'test:fail') yield showFailure(event.data)
    else yield ++column % 100 === 0 ? `${mark}\n` : mark
  }
  if (process.env['IMHOTEP_TEST_TIMES']) yield slowest()
  yield summary()
  // The process that started this one trusts its exit status.
  if (counts.failed > 0 || counts.passed === 0 || isCoverageMissing) process.exitCode = 1
}

/** A suite, or a test that failed only because a test inside of it did: counted and shown once, inside. */
function isContainer(event: Extract<TestEvent, { type: 'test:pass' | 'test:fail' }>): boolean {
  if (event.type === 'test:pass') return event.data.details.type === 'suite'
  return (event.data.details.error as { failureType?: string }).failureType === 'subtestsFailed'
}

function count(event: Extract<TestEvent, { type: 'test:pass' | 'test:fail' }>): string {
  if (event.type === 'test:fail') counts.failed++
  else if (event.data.skip !== undefined || event.data.todo !== undefined) counts.skipped++
  else counts.passed++
  return event.data.skip === undefined ? '.' : 's'
}

function showFailure(data: Extract<TestEvent, { type: 'test:fail' }>['data']): string {
  const place = data.file === undefined ? '' : `${relative(process.cwd(), data.file)}:${data.line ?? 1}`
  const { cause = data.details.error } = data.details.error as { cause?: unknown }
  return `\n\nFAILED ${data.name}\n  ${place}\n${indent(inspect(cause, { depth: 6 }))}\n\n`
}

/** Lines of packages/ without its tests: the files with the least, and all together. Less than the bar fails the run. */
function showCoverage({ summary: { files } }: Extract<TestEvent, { type: 'test:coverage' }>['data']): string {
  isCoverageMissing = false
  const own = files
    .filter(({ path }) => /\/packages\/[^/]+\/src\//.test(path) && !/\.(test|fixture)\./.test(path))
    .map(({ path, lines }) => {
      const code = linesWithCode(path)
      return { path, lines: code.size, covered: lines.filter(({ line, count }) => count > 0 && code.has(line)).length }
    })
    .filter(({ lines }) => lines > 0)
  const percentOf = ({ covered, lines }: { covered: number; lines: number }) => (100 * covered) / lines
  const least = own
    .toSorted((a, b) => percentOf(a) - percentOf(b))
    .slice(0, 20)
    .map((file) => `${percentOf(file).toFixed(1).padStart(6)} %  ${relative(process.cwd(), file.path)}`)
  const all = {
    covered: own.reduce((sum, { covered }) => sum + covered, 0),
    lines: own.reduce((sum, { lines }) => sum + lines, 0),
  }
  const isEnough = percentOf(all) >= coverageBar
  if (!isEnough) process.exitCode = 1
  const verdict = isEnough ? '' : `, less than ${coverageBar} %`
  return `\n\nfiles with the fewest lines covered\n${least.join('\n')}\ncoverage: ${percentOf(all).toFixed(1)} % of ${all.lines} lines of code in ${own.length} files of packages/${verdict}\n`
}

/** Where the code begins that a line compiles to: comments and types leave nothing that could run. */
function linesWithCode(path: string): Set<number> {
  const { code, map } = transformSync(readFileSync(path, 'utf8'), { loader: 'ts', sourcemap: 'external' })
  const sources = new SourceMap(JSON.parse(map) as SourceMapPayload)
  const origins = code.split('\n').map((text, n) => sources.findEntry(n, text.search(/\S|$/)))
  return new Set(origins.flatMap((origin) => ('originalLine' in origin ? origin.originalLine + 1 : [])))
}

function slowest(): string {
  const lines = durations.toSorted((a, b) => b.ms - a.ms).slice(0, 30)
  return `\n\nslowest tests\n${lines.map(({ name, ms }) => `${(ms / 1000).toFixed(1).padStart(7)} s  ${name}`).join('\n')}\n`
}

function summary(): string {
  const skipped = counts.skipped === 0 ? '' : `, ${counts.skipped} skipped`
  return `\n\n${counts.passed} passed, ${counts.failed} failed${skipped}\n`
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, '  ')
}

/** A test that never ends, or leaves a connection open behind the last test, would otherwise hang without a word. */
function watch(): void {
  setInterval(() => {
    if (Date.now() - lastEvent < silenceLimitMs) return
    console.error(`\n\nFAILED nothing has happened for ${silenceLimitMs / 1000} s, last test: ${running}`)
    console.error(`  open: ${process.getActiveResourcesInfo().join(', ')}`)
    console.log(`\n${counts.passed} passed, ${counts.failed + 1} failed`)
    process.exit(1)
  }, 5_000).unref()
}
