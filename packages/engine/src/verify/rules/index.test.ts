import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { test } from 'node:test'
import { catalogRules, verifyRules } from './index.ts'

test('catalogRules: holds every rule of the folder, each with its test; verifyRules those of no style', async () => {
  const files = await readdir(import.meta.dirname)

  const rules = files
    .filter((name) => /^[a-z-]+\.ts$/.test(name) && name !== 'index.ts')
    .map((name) => name.slice(0, -3))
  const tests = files
    .filter((name) => name.endsWith('.test.ts') && name !== 'index.test.ts')
    .map((name) => name.slice(0, -8))
  assert.deepEqual(catalogRules.map((rule) => rule.id).toSorted(), rules.toSorted())
  assert.deepEqual(
    verifyRules,
    catalogRules.filter(({ profile }) => profile !== 'style'),
  )
  assert.deepEqual(tests.toSorted(), rules)
})

test('catalogRules: every rule says what happens and what to do', () => {
  const silent = catalogRules.filter((rule) => rule.effect.length < 20 || rule.instead.length < 20)

  assert.deepEqual(silent, [])
})
