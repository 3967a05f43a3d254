import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addColumn, messagesOf, soundCatalog } from '../../../../../tests/support/catalog-builder.ts'
import { nullableBoolean } from './nullable-boolean.ts'

test('nullable-boolean: finds an answer that may be missing', () => {
  const catalog = soundCatalog((_, things) => addColumn(things, 'closed', 'boolean', { notNull: false }))

  const messages = messagesOf(nullableBoolean, catalog)

  assert.deepEqual(messages, ['a.things.closed is true, false or null'])
})

test('nullable-boolean: accepts one that is always there, and other types', () => {
  const catalog = soundCatalog((_, things) => {
    addColumn(things, 'closed', 'boolean')
    addColumn(things, 'note', 'text', { notNull: false })
  })

  const messages = messagesOf(nullableBoolean, catalog)

  assert.deepEqual(messages, [])
})
