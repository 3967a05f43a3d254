// Prints a dot a test, failures in full at once, and at the end `N passed, N failed`. Node's own reporters know of no
// last line that a script can look for, and count suites as tests.
import { relative } from 'node:path'
import { inspect } from 'node:util'
import type { TestEvent } from 'node:test/reporters'

/** One slow test may take minutes. */
const silenceLimitMs = process.env['IMHOTEP_TEST_SLOW'] ? 900_000 : 180_000

const counts = { passed: 0, failed: 0, skipped: 0 }
const tests: Duration[] = []
const files: Duration[] = []
let running = 'no test'
let lastEvent = Date.now()

export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  watch()
  let column = 0
  for await (const event of events) {
    lastEvent = Date.now()
    if (event.type === 'test:start' || event.type === 'test:dequeue') running = event.data.name
    // what belongs to no test: an error that nobody waited for
    if (event.type === 'test:diagnostic' && event.data.message.startsWith('Warning:'))
      yield `\n\n${event.data.message}\n`
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue
    const { name, nesting, details } = event.data
    if (details.type === 'suite' && nesting === 0) files.push({ name: sourceOf(name), ms: details.duration_ms })
    if (isContainer(event)) continue

    const mark = count(event)
    tests.push({ name, ms: details.duration_ms })
    if (event.type === 'test:fail') yield showFailure(event.data)
    else yield ++column % 100 === 0 ? `${mark}\n` : mark
  }
  if (process.env['IMHOTEP_TEST_TIMES']) yield slowest('tests', tests) + slowest('files', files)
  yield summary()
  // The process that started this one trusts its exit status.
  if (counts.failed > 0 || counts.passed === 0) process.exitCode = 1
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

interface Duration {
  readonly name: string
  readonly ms: number
}

function slowest(what: string, durations: readonly Duration[]): string {
  const lines = durations.toSorted((a, b) => b.ms - a.ms).slice(0, 30)
  return `\n\nslowest ${what}\n${lines.map(({ name, ms }) => `${(ms / 1000).toFixed(1).padStart(7)} s  ${name}`).join('\n')}\n`
}

/** Of the suite that tools/test-files.ts makes of a compiled file. */
function sourceOf(suite: string): string {
  return suite.replace(/^.*\/tests\/(?=packages\/|tests\/|tools\/)/, '').replace(/\.mjs$/, '.ts')
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
