import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addIndex, messagesOf, soundCatalog } from '../../../../../tests/support/catalog-builder.ts'
import type { Index, Table } from '../../catalog/model.ts'
import { redundantIndex } from './redundant-index.ts'

/** `things` begins with the index of its primary key (tenant_id, id). */
const messages = (...indexes: [name: string, keys: string[], more?: Partial<Index>][]) =>
  messagesOf(
    redundantIndex,
    soundCatalog((_, things: Table) => {
      for (const [name, keys, more] of indexes) addIndex(things, name, keys, more)
    }),
  )

test('redundant-index: finds the beginning of another index, of a key, too', () => {
  assert.deepEqual(messages(['a_x', ['a']], ['a_b', ['a', 'b']], ['tenant', ['tenant_id']]), [
    'index a_x of a.things is the beginning of a_b',
    'index tenant of a.things is the beginning of things_pkey',
  ])
})

test('redundant-index: of two that are alike the later one is too many', () => {
  assert.deepEqual(messages(['first', ['a', '(lower(b))']], ['second', ['a', '(lower(b))']]), [
    'index second of a.things repeats first',
  ])
})

test('redundant-index: an index that only finds gives way to one that also keeps rows apart', () => {
  assert.deepEqual(messages(['plain', ['code']], ['code_key', ['code'], { unique: true }]), [
    'index plain of a.things repeats code_key',
  ])
})

test('redundant-index: of two unique ones the constraint stays', () => {
  const key = { unique: true, fromConstraint: true }

  assert.deepEqual(messages(['loose', ['code'], { unique: true }], ['code_key', ['code'], key]), [
    'index loose of a.things repeats code_key',
  ])
})

for (const [what, ...indexes] of [
  ['another order', ['a_b', ['a', 'b']], ['b_a', ['b', 'a']]],
  ['a part of the rows', ['a_x', ['a'], { predicate: 'b IS NULL' }], ['a_b', ['a', 'b']]],
  ['a unique beginning', ['a_key', ['a'], { unique: true }], ['a_b', ['a', 'b'], { unique: true }]],
  ['another method', ['a_hash', ['a'], { method: 'hash' }], ['a_b', ['a', 'b']]],
  ['a column more inside', ['a_inc', ['a'], { include: ['c'] }], ['a_b', ['a', 'b']]],
  ['a comment that says why', ['a_x', ['a'], { comment: 'smaller' }], ['a_b', ['a', 'b']]],
  ['a broken one beside it', ['a_x', ['a']], ['a_b', ['a', 'b'], { valid: false }]],
] as [string, ...[string, string[], Partial<Index>?][]][]) {
  test(`redundant-index: accepts ${what}`, () => {
    assert.deepEqual(messages(...indexes), [])
  })
}
