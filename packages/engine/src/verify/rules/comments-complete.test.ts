import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addColumn, addTable, messagesOf, soundCatalog } from '../../../../../tests/support/catalog-builder.ts'
import { commentsComplete } from './comments-complete.ts'

test('comments-complete: finds a table without a class', () => {
  const catalog = soundCatalog((_, things) => {
    things.comment = 'scope=tenant;about=Things.'
  })

  const messages = messagesOf(commentsComplete, catalog)

  assert.match(messages.join('\n'), /has no class=/)
})

test('comments-complete: finds a table without a comment', () => {
  const catalog = soundCatalog((_, things) => {
    things.comment = null
  })

  const messages = messagesOf(commentsComplete, catalog)

  assert.match(messages.join('\n'), /has no about=/)
})

test('comments-complete: finds a column without a sentence', () => {
  const catalog = soundCatalog((_, things) => {
    addColumn(things, 'name', 'text', { comment: 'class=phi' })
  })

  const messages = messagesOf(commentsComplete, catalog)

  assert.match(messages.join('\n'), /column a\.things.name has no about=/)
})

test('comments-complete: finds a class that nobody knows', () => {
  const catalog = soundCatalog((_, things) => {
    addColumn(things, 'name', 'text', { comment: 'class=secret;about=A name.' })
  })

  const messages = messagesOf(commentsComplete, catalog)

  assert.match(messages.join('\n'), /unknown class secret/)
})

test('comments-complete: is silent about partitions', () => {
  const catalog = soundCatalog((catalog) => {
    addTable(catalog, 'a', 'things_default', null, { partitionOf: 'a.things' })
  })

  const messages = messagesOf(commentsComplete, catalog)

  assert.deepEqual(messages, [])
})
