import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseRaw } from '../parse/parser.ts'
import { lintFiles } from './lint-files.ts'
import { lintRules } from './rules/index.ts'

const runs = 10_000
const longestMs = 5_000

const texts = lintRules.flatMap(({ id }) =>
  ['bad.sql', 'good.sql'].map((name) => readFileSync(join(import.meta.dirname, 'rules', id, name), 'utf8')),
)

const mutation = fc.oneof(
  fc.record({ kind: fc.constant('cut' as const), at: fc.nat() }),
  fc.record({ kind: fc.constant('flip' as const), at: fc.nat(), byte: fc.integer({ min: 0, max: 255 }) }),
  fc.record({
    kind: fc.constant('insert' as const),
    at: fc.nat(),
    text: fc.constantFrom(
      '\u00a0',
      '\r\n',
      '\ufeff',
      '\0',
      "'",
      '"',
      '$$',
      '$x$',
      '/*',
      '--',
      '(',
      ')',
      ';',
      'begin',
      `'${'x'.repeat(100_000)}'`,
    ),
  }),
  fc.record({ kind: fc.constant('shuffle' as const), at: fc.nat() }),
  fc.record({ kind: fc.constant('crlf' as const) }),
)

function mutate(text: string, change: typeof mutation extends fc.Arbitrary<infer T> ? T : never): string {
  if (change.kind === 'crlf') return text.replaceAll('\n', '\r\n')
  const at = change.at % (text.length + 1)
  if (change.kind === 'cut') return text.slice(0, at)
  if (change.kind === 'insert') return text.slice(0, at) + change.text + text.slice(at)
  if (change.kind === 'flip') {
    const bytes = Buffer.from(text)
    if (bytes.length > 0) bytes[at % bytes.length] = change.byte
    return bytes.toString()
  }
  const statements = text.split(';')
  const place = at % statements.length
  return [...statements.slice(place), ...statements.slice(0, place)].join(';')
}

test(`lintFiles: ${runs} broken files: no crash, no hang, a finding or a clean parse`, async () => {
  let broken = 0
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...texts),
      fc.array(mutation, { minLength: 1, maxLength: 4 }),
      async (text, changes) => {
        const started = performance.now()
        const mutated = changes.reduce(mutate, text)

        const { findings } = await lintFiles([{ path: '001_x.sql', text: mutated }], { rules: lintRules })

        assert.ok(performance.now() - started < longestMs, 'it hung')
        const failed = findings.some(({ rule }) => rule === 'syntax-error')
        if (failed) broken += 1
        assert.ok(
          failed || Array.isArray(parseRaw(mutated.replace(/^\ufeff/, ''))),
          'it passed what PostgreSQL refuses',
        )
      },
    ),
    { numRuns: runs },
  )
  assert.ok(broken > runs / 10, `${broken} of ${runs} did not parse`)
})
