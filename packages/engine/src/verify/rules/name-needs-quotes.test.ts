import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  addColumn,
  addFunction,
  addTable,
  messagesOf,
  soundCatalog,
} from '../../../../../tests/support/catalog-builder.ts'
import { nameNeedsQuotes } from './name-needs-quotes.ts'

test('name-needs-quotes: finds capitals, reserved words and odd characters', () => {
  const catalog = soundCatalog((catalog, things) => {
    for (const name of ['createdAt', 'user', 'a b', 'select']) addColumn(things, name, 'text')
    addTable(catalog, 'a', 'order', null)
  })

  const messages = messagesOf(nameNeedsQuotes, catalog)

  const found = messages.map((message) => /'(.*)'/.exec(message)?.[1] ?? '')
  assert.deepEqual(new Set(found), new Set(['a b', 'createdAt', 'order', 'select', 'user']))
})

test('name-needs-quotes: accepts plain names, key words that are free among them', () => {
  const catalog = soundCatalog((_, things) => {
    for (const name of ['name', 'value', 'type', '_x1', 'date']) addColumn(things, name, 'text')
  })

  const messages = messagesOf(nameNeedsQuotes, catalog)

  assert.deepEqual(messages, [])
})

test('name-needs-quotes: functions have key words of their own', () => {
  const catalog = soundCatalog((catalog, things) => {
    for (const name of ['left', 'coalesce', 'user', 'count']) addFunction(catalog, 'a', name)
    addColumn(things, 'left', 'text')
    addColumn(things, 'coalesce', 'text')
  })

  const messages = messagesOf(nameNeedsQuotes, catalog)

  const found = messages.map((message) => /^\w+ '.*'/.exec(message)?.[0] ?? '')
  assert.deepEqual(found.toSorted(), ["column 'left'", "function 'coalesce'", "function 'user'"])
})
