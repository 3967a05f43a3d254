import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addConstraint, addIndex, messagesOf, soundCatalog } from '../../../../../tests/support/catalog-builder.ts'
import { foreignKeyIndex } from './foreign-key-index.ts'

test('foreign-key-index: finds a reference without an index', () => {
  const catalog = soundCatalog((_, things) => {
    addConstraint(things, 'things_other_fkey', 'foreign key', ['tenant_id', 'other_id'], { references: 'a.things' })
  })

  const messages = messagesOf(foreignKeyIndex, catalog)

  assert.match(messages.join('\n'), /has no index on \(tenant_id, other_id\)/)
})

test('foreign-key-index: does not count a partial index over something else', () => {
  const catalog = soundCatalog((_, things) => {
    addConstraint(things, 'things_other_fkey', 'foreign key', ['tenant_id', 'other_id'], { references: 'a.things' })
    addIndex(things, 'i', ['tenant_id', 'other_id'], { predicate: '(deleted_at IS NULL)' })
  })

  const messages = messagesOf(foreignKeyIndex, catalog)

  assert.match(messages.join('\n'), /has no index/)
})

test('foreign-key-index: accepts an index that begins with the columns in any order', () => {
  const catalog = soundCatalog((_, things) => {
    addConstraint(things, 'things_other_fkey', 'foreign key', ['tenant_id', 'other_id'], { references: 'a.things' })
    addIndex(things, 'i', ['other_id', 'tenant_id', 'created_at'])
  })

  const messages = messagesOf(foreignKeyIndex, catalog)

  assert.deepEqual(messages, [])
})

test('foreign-key-index: accepts a partial index over rows that have the reference', () => {
  const catalog = soundCatalog((_, things) => {
    addConstraint(things, 'things_other_fkey', 'foreign key', ['tenant_id', 'other_id'], { references: 'a.things' })
    addIndex(things, 'i', ['tenant_id', 'other_id'], { predicate: '(other_id IS NOT NULL)' })
  })

  const messages = messagesOf(foreignKeyIndex, catalog)

  assert.deepEqual(messages, [])
})

test('foreign-key-index: lets the primary key cover the reference to the tenant', () => {
  const catalog = soundCatalog((_, things) => {
    addConstraint(things, 'things_tenant_fkey', 'foreign key', ['tenant_id'], {
      references: 'core.tenants',
      referencedColumns: ['id'],
    })
  })

  const messages = messagesOf(foreignKeyIndex, catalog)

  assert.deepEqual(messages, [])
})
