import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addConstraint, addTable, messagesOf, soundCatalog } from '../../../../../tests/support/catalog-builder.ts'
import { noPrimaryKey } from './no-primary-key.ts'

test('no-primary-key: finds a table whose rows have no name', () => {
  const catalog = soundCatalog((catalog) => addTable(catalog, 'a', 'notes', null))

  const messages = messagesOf(noPrimaryKey, catalog)

  assert.deepEqual(messages, ['a.notes has no primary key'])
})

test("no-primary-key: accepts a key, and partitions, which have their parent's", () => {
  const catalog = soundCatalog((catalog) => {
    addConstraint(addTable(catalog, 'a', 'notes', null), 'notes_pkey', 'primary key', ['id'])
    addTable(catalog, 'a', 'notes_1', null, { partitionOf: 'a.notes' })
  })

  const messages = messagesOf(noPrimaryKey, catalog)

  assert.deepEqual(messages, [])
})
