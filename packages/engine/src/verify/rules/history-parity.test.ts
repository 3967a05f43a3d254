import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addColumn, addTable, messagesOf, soundCatalog } from '../../../../../tests/support/catalog-builder.ts'
import type { Table } from '../../catalog/model.ts'
import { historyParity } from './history-parity.ts'

const withHistory = (change: (history: Table, things: Table) => void) =>
  soundCatalog((catalog, things) => {
    const history = addTable(catalog, 'a', 'things_history', null)
    for (const { name, type } of things.columns.values()) addColumn(history, name, type)
    change(history, things)
  })

test('history-parity: finds a column that the history lacks, and one of another type', () => {
  const catalog = withHistory((history, things) => {
    addColumn(things, 'note', 'text')
    addColumn(things, 'size', 'bigint')
    addColumn(history, 'size', 'integer')
  })

  const messages = messagesOf(historyParity, catalog)

  assert.deepEqual(messages, [
    `a.things_history lacks 'note' of a.things`,
    `a.things_history has 'size' as integer, a.things as bigint`,
  ])
})

test('history-parity: accepts a history with columns of its own', () => {
  const catalog = withHistory((history) => addColumn(history, 'valid_until', 'timestamp with time zone'))

  const messages = messagesOf(historyParity, catalog)

  assert.deepEqual(messages, [])
})

test('history-parity: does not take a list of events for a history of rows', () => {
  const catalog = soundCatalog((catalog) => addColumn(addTable(catalog, 'a', 'things_history', null), 'id', 'uuid'))

  const messages = messagesOf(historyParity, catalog)

  assert.deepEqual(messages, [])
})
