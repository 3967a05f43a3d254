import assert from 'node:assert/strict'
import { test } from 'node:test'
import { messagesOf, soundCatalog } from '../../../../../tests/support/catalog-builder.ts'
import { defaultPolicy } from '../policy.ts'
import { retentionDeclared } from './retention-declared.ts'

const commented = (comment: string) =>
  soundCatalog((_, things) => {
    things.comment = comment
  })

test('retention-declared: finds protected rows that are kept for nobody knows how long', () => {
  const messages = messagesOf(retentionDeclared, commented('class=phi;scope=tenant;about=Things.'))

  assert.deepEqual(messages, ['a.things (class=phi) does not say how long its rows are kept'])
})

test('retention-declared: accepts the word of the comment, or of the policy', () => {
  const policy = { ...defaultPolicy, tables: [{ match: 'a.*', retention: '10y' }] }

  const tagged = messagesOf(retentionDeclared, commented('class=phi;scope=tenant;retention=10y;about=Things.'))
  const configured = messagesOf(retentionDeclared, commented('class=phi;about=Things.'), undefined, policy)

  assert.deepEqual([...tagged, ...configured], [])
})

test('retention-declared: does not ask other classes', () => {
  const messages = messagesOf(retentionDeclared, soundCatalog())

  assert.deepEqual(messages, [])
})
