import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addColumn, messagesOf, soundCatalog } from '../../../../../tests/support/catalog-builder.ts'
import { defaultPolicy } from '../policy.ts'
import { sensitiveColumn } from './sensitive-column.ts'

const policy = {
  ...defaultPolicy,
  sensitiveColumns: [
    { match: '^card_number$', reason: 'it may not be kept', types: [] },
    { match: '^tax_', reason: 'a number of a person' },
  ],
}
const withColumn = (name: string, type: string) => soundCatalog((_, things) => addColumn(things, name, type))

test('sensitive-column: finds clear text, upper and lower case alike', () => {
  const messages = messagesOf(sensitiveColumn, withColumn('Tax_number', 'text'), undefined, policy)

  assert.deepEqual(messages, ['a.things.Tax_number is text, not bytea or jsonb: a number of a person'])
})

test('sensitive-column: finds what may not be there at all, encrypted or not', () => {
  const messages = messagesOf(sensitiveColumn, withColumn('card_number', 'bytea'), undefined, policy)

  assert.deepEqual(messages, ['a.things.card_number may not be there: it may not be kept'])
})

test('sensitive-column: accepts encrypted values, and other names', () => {
  for (const [name, type] of [
    ['tax_number', 'bytea'],
    ['tax_number', 'jsonb'],
    ['syntax_x', 'text'],
  ] as const)
    assert.deepEqual(messagesOf(sensitiveColumn, withColumn(name, type), undefined, policy), [])
})

test('sensitive-column: the engine itself knows no such name', () => {
  assert.deepEqual(messagesOf(sensitiveColumn, withColumn('card_number', 'text')), [])
})
