import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Secret, UsageError } from '@imhotep/base'
import { array, assert as assertProperty, option, property, string } from 'fast-check'
import { parseArray } from './array-parser.ts'
import { encodeParameters } from './parameters.ts'

test('encodeParameters: writes each kind of value as PostgreSQL reads it', () => {
  const values = [1.5, 2n ** 60n, false, 'text', null, Buffer.from('hi'), new Date(0), { a: 1n }]

  const encoded = encodeParameters(values)

  assert.deepEqual(encoded, [
    '1.5',
    '1152921504606846976',
    'false',
    'text',
    null,
    String.raw`\x6869`,
    '1970-01-01T00:00:00.000Z',
    '{"a":1}',
  ])
})

const cyclic: { self?: unknown } = {}
cyclic.self = cyclic
const refused: [string, unknown][] = [
  ['undefined', undefined],
  ['an array with undefined in it', ['a', undefined]],
  ['an invalid date', new Date('no date')],
  ['a function', () => 1],
  ['a secret', new Secret('geheim')],
  ['a cycle', cyclic],
  ['a zero byte', 'a\0b'],
]
for (const [title, value] of refused) {
  test(`encodeParameters: refuses ${title} and says which parameter it is`, () => {
    assert.throws(
      () => encodeParameters([1, value]),
      (error) =>
        error instanceof UsageError && error.message.startsWith('parameter $2 is ') && error.hint !== undefined,
    )
  })
}

test('encodeParameters: refuses more values than one message of the protocol holds', () => {
  assert.equal(encodeParameters(Array.from({ length: 65_533 }, () => 1)).length, 65_533)
  assert.throws(() => encodeParameters(Array.from({ length: 65_534 }, () => 1)), UsageError)
})

test('parseArray: reads back every array of text that encodeParameters writes', () => {
  const element = option(string({ unit: 'binary' }).map((text) => text.replaceAll('\0', '')))

  assertProperty(
    property(array(element), (values) => {
      assert.deepEqual(
        parseArray(String(encodeParameters([values])[0]), (text) => text),
        values,
      )
    }),
  )
})

test('parseArray: reads dimensions, lower bounds, NULL and the text "NULL"', () => {
  const parsed = parseArray('[0:1][1:2]={{1,NULL},{"NULL","a\\"b,}"}}', (text) => text)

  assert.deepEqual(parsed, [
    ['1', null],
    ['NULL', 'a"b,}'],
  ])
})
