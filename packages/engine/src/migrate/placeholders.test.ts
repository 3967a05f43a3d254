import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PlaceholderError } from './errors.ts'
import { fillPlaceholders } from './placeholders.ts'

test('fillPlaceholders: leaves the text alone when no values are given', () => {
  assert.equal(fillPlaceholders('select ${a}', undefined, 'f'), 'select ${a}')
  assert.equal(fillPlaceholders('select ${a}', {}, 'f'), 'select ${a}')
})

test('fillPlaceholders: puts values in as they are, also those that look like a replacement pattern', () => {
  assert.equal(fillPlaceholders('${a}.${b_2} $$ $1', { a: '$&', b_2: 'x' }, 'f'), '$&.x $$ $1')
})

test('fillPlaceholders: names the line of a placeholder without a value', () => {
  assert.throws(
    () => fillPlaceholders('a\n${known}\n${toString}', { known: 'x' }, 'V1__x.sql'),
    (error: PlaceholderError) => {
      assert.equal(error.placeholder, 'toString')
      assert.match(error.message, /^V1__x\.sql:3: /)
      return true
    },
  )
})
