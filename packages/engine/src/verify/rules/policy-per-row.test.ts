import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  addFunction,
  addPolicy,
  addTable,
  messagesOf,
  soundCatalog,
} from '../../../../../tests/support/catalog-builder.ts'
import { policyPerRow } from './policy-per-row.ts'

/** A table that is nobody's, with one policy. */
const withPolicy = (using: string) =>
  soundCatalog((catalog) => {
    addFunction(catalog, 'a', 'who', { volatility: 'stable' })
    addFunction(catalog, 'a', 'fixed', { volatility: 'immutable' })
    addPolicy(addTable(catalog, 'a', 'notes', null), 'own', { using, withCheck: null })
  })

for (const [using, name] of [
  [`(owner = current_setting('app.user'::text))`, 'current_setting'],
  ['(owner = a.who())', 'a.who'],
  ['(owner = auth.uid())', 'auth.uid'],
] as const) {
  test(`policy-per-row: finds ${using}`, () => {
    const messages = messagesOf(policyPerRow, withPolicy(using))

    assert.deepEqual(messages, [`policy own on a.notes calls ${name} for every row`])
  })
}

for (const using of [
  '(owner = ( SELECT a.who() AS who))',
  `(owner = ( SELECT current_setting('app.user'::text) AS current_setting))`,
  '(owner = a.fixed())',
  '(a.who(owner))',
  '(lower(owner) = CURRENT_USER)',
]) {
  test(`policy-per-row: accepts ${using}`, () => {
    const messages = messagesOf(policyPerRow, withPolicy(using))

    assert.deepEqual(messages, [])
  })
}
