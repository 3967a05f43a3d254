import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addPolicy, addTable, messagesOf, soundCatalog } from '../../../../../tests/support/catalog-builder.ts'
import { policyWithoutRls } from './policy-without-rls.ts'

test('policy-without-rls: finds policies that nobody asks', () => {
  const catalog = soundCatalog((catalog) => {
    const notes = addTable(catalog, 'a', 'notes', null, { rlsEnabled: false })
    addPolicy(notes, 'own')
    addPolicy(notes, 'shared')
  })

  const messages = messagesOf(policyWithoutRls, catalog)

  assert.deepEqual(messages, ['a.notes has policies (own, shared) and row level security is off'])
})

test('policy-without-rls: accepts policies in force, and tables without any', () => {
  const catalog = soundCatalog((catalog) => {
    addPolicy(addTable(catalog, 'a', 'notes', null), 'own')
    addTable(catalog, 'a', 'countries', null, { rlsEnabled: false })
  })

  const messages = messagesOf(policyWithoutRls, catalog)

  assert.deepEqual(messages, [])
})
