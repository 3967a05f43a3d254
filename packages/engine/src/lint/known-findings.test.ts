import assert from 'node:assert/strict'
import { test } from 'node:test'
import { knownOf, withoutKnown } from './known-findings.ts'
import { lintFiles } from './lint-files.ts'
import { lintRules } from './rules/index.ts'

const lint = async (text: string) => {
  const { findings } = await lintFiles([{ path: '001_a.sql', text }], { rules: lintRules })
  return findings.filter(({ family }) => family === 'history')
}

test('withoutKnown: findings of yesterday stay known when lines move, a new one is told', async () => {
  const known = knownOf(await lint('alter table a add x int;\nalter table a add x int;'))
  const today = await lint('-- moved\n\nalter table a add x int;\nalter table a add x int;\nalter table b add y int;')

  const { findings, known: left, gone } = withoutKnown(today, known)

  assert.deepEqual(
    findings.map(({ object }) => object),
    ['public.b'],
  )
  assert.deepEqual([left, gone], [2, 0])
})

test('withoutKnown: counts what is known and no longer there', async () => {
  const known = knownOf(await lint('alter table a add x int;\nalter table b add x int;'))

  const { findings, gone } = withoutKnown(await lint('alter table a add x int;'), known)

  assert.deepEqual([findings.length, gone], [0, 1])
})
