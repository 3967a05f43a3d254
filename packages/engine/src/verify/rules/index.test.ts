import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { test } from 'node:test'
import { styleCatalogRules, verifyRules } from './index.ts'

test('verifyRules: holds every rule of the folder, each with its test', async () => {
  const files = await readdir(import.meta.dirname)

  const rules = files
    .filter((name) => /^[a-z-]+\.ts$/.test(name) && name !== 'index.ts')
    .map((name) => name.slice(0, -3))
  const tests = files
    .filter((name) => name.endsWith('.test.ts') && name !== 'index.test.ts')
    .map((name) => name.slice(0, -8))
  assert.deepEqual([...verifyRules, ...styleCatalogRules].map((rule) => rule.id).toSorted(), rules.toSorted())
  assert.deepEqual(tests.toSorted(), rules)
})

test('verifyRules: every rule says what happens and what to do', () => {
  const silent = [...verifyRules, ...styleCatalogRules].filter(
    (rule) => rule.effect.length < 20 || rule.instead.length < 20,
  )

  assert.deepEqual(silent, [])
})
