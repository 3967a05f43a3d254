import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addColumn, messagesOf, soundCatalog } from '../../../../../tests/support/catalog-builder.ts'
import { noFloatMoney } from './no-float-money.ts'

test('no-float-money: finds a float amount', () => {
  const catalog = soundCatalog((_, things) => {
    addColumn(things, 'amount', 'double precision')
  })

  const messages = messagesOf(noFloatMoney, catalog)

  assert.match(messages.join('\n'), /keeps money as double precision/)
})

test('no-float-money: finds any float of a financial column', () => {
  const catalog = soundCatalog((_, things) => {
    addColumn(things, 'worth', 'real', { comment: 'class=financial;about=Worth.' })
  })

  const messages = messagesOf(noFloatMoney, catalog)

  assert.match(messages.join('\n'), /keeps money as real/)
})

test('no-float-money: finds the type money', () => {
  const catalog = soundCatalog((_, things) => {
    addColumn(things, 'worth', 'money')
  })

  const messages = messagesOf(noFloatMoney, catalog)

  assert.match(messages.join('\n'), /keeps money as money/)
})

test('no-float-money: accepts numeric money and float measurements', () => {
  const catalog = soundCatalog((_, things) => {
    addColumn(things, 'amount', 'numeric(14,2)')
    addColumn(things, 'temperature', 'real')
    addColumn(things, 'sampling_rate', 'real')
  })

  const messages = messagesOf(noFloatMoney, catalog)

  assert.deepEqual(messages, [])
})
