import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addTable, messagesOf, soundCatalog } from '../../../../../tests/support/catalog-builder.ts'
import { unloggedTable } from './unlogged-table.ts'

test('unlogged-table: finds rows that do not survive a crash', () => {
  const catalog = soundCatalog((catalog) => addTable(catalog, 'a', 'notes', null, { unlogged: true }))

  const messages = messagesOf(unloggedTable, catalog)

  assert.deepEqual(messages, ['a.notes is unlogged: its rows do not survive a crash'])
})

test('unlogged-table: accepts one that says what it is for', () => {
  const catalog = soundCatalog((catalog) => addTable(catalog, 'a', 'notes', 'A cache.', { unlogged: true }))

  const messages = messagesOf(unloggedTable, catalog)

  assert.deepEqual(messages, [])
})
