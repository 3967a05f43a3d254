import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addColumn, addIndex, messagesOf, soundCatalog } from '../../../../../tests/support/catalog-builder.ts'
import { defaultPolicy } from '../policy.ts'
import { namePattern } from './name-pattern.ts'

const catalog = soundCatalog((_, things) => {
  addColumn(things, 'createdAt', 'text')
  addIndex(things, 'ix1', ['id'])
})

test('name-pattern: finds names that do not fit, of the kinds that have a pattern', () => {
  const policy = { ...defaultPolicy, namePatterns: { column: '^[a-z_]+$', index: '^things_' } }

  const messages = messagesOf(namePattern, catalog, undefined, policy)

  assert.deepEqual(messages, [`column 'createdAt' does not fit /^[a-z_]+$/`, `index 'ix1' does not fit /^things_/`])
})

test('name-pattern: says nothing without patterns', () => {
  assert.deepEqual(messagesOf(namePattern, catalog), [])
})
