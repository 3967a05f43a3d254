import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addColumn, addIndex, messagesOf, soundCatalog } from '../../../../../tests/support/catalog-builder.ts'
import type { Index } from '../../catalog/model.ts'
import { softDeleteUnique } from './soft-delete-unique.ts'

const withKey = (more: Partial<Index>) =>
  soundCatalog((_, things) => {
    addColumn(things, 'deleted_at', 'timestamp with time zone', { notNull: false })
    addIndex(things, 'code_key', ['tenant_id', 'code'], { unique: true, ...more })
  })

test('soft-delete-unique: finds a value that a removed row keeps', () => {
  const messages = messagesOf(softDeleteUnique, withKey({}))

  assert.deepEqual(messages, ['unique key code_key of a.things also counts rows with deleted_at'])
})

test('soft-delete-unique: accepts a partial key, one that is explained, and the primary key', () => {
  const partial = messagesOf(softDeleteUnique, withKey({ predicate: '(deleted_at IS NULL)' }))
  const explained = messagesOf(softDeleteUnique, withKey({ comment: 'A number is never given twice.' }))

  assert.deepEqual([...partial, ...explained], [])
})
