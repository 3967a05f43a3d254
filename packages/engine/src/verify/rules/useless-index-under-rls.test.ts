import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addColumn, addIndex, messagesOf, soundCatalog } from '../../../../../tests/support/catalog-builder.ts'
import { uselessIndexUnderRls } from './useless-index-under-rls.ts'

test('useless-index-under-rls: finds an index on numbers with fractions', () => {
  const catalog = soundCatalog((_, things) => {
    addColumn(things, 'amount', 'numeric(14,2)')
    addIndex(things, 'i', ['tenant_id', 'amount'])
  })

  const messages = messagesOf(uselessIndexUnderRls, catalog)

  assert.match(messages.join('\n'), /amount is numeric/)
})

test('useless-index-under-rls: finds an index on an expression', () => {
  const catalog = soundCatalog((_, things) => {
    addIndex(things, 'i', ['tenant_id', '(lower(name))'])
  })

  const messages = messagesOf(uselessIndexUnderRls, catalog)

  assert.match(messages.join('\n'), /on the expression/)
})

test('useless-index-under-rls: finds an inverted index', () => {
  const catalog = soundCatalog((_, things) => {
    addIndex(things, 'i', ['names'], { method: 'gin' })
  })

  const messages = messagesOf(uselessIndexUnderRls, catalog)

  assert.match(messages.join('\n'), /: gin/)
})

test('useless-index-under-rls: accepts text and instants', () => {
  const catalog = soundCatalog((_, things) => {
    addColumn(things, 'name', 'character varying(40)')
    addIndex(things, 'i', ['tenant_id', 'name'])
  })

  const messages = messagesOf(uselessIndexUnderRls, catalog)

  assert.deepEqual(messages, [])
})

test('useless-index-under-rls: accepts one whose comment says who uses it', () => {
  const catalog = soundCatalog((_, things) => {
    addIndex(things, 'i', ['names'], { method: 'gin', comment: 'about=Used by the search function.' })
  })

  const messages = messagesOf(uselessIndexUnderRls, catalog)

  assert.deepEqual(messages, [])
})
