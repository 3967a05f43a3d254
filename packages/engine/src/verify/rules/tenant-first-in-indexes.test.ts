import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addIndex, messagesOf, soundCatalog } from '../../../../../tests/support/catalog-builder.ts'
import { tenantFirstInIndexes } from './tenant-first-in-indexes.ts'

test('tenant-first-in-indexes: finds an index that mixes all tenants', () => {
  const catalog = soundCatalog((_, things) => {
    addIndex(things, 'things_at_idx', ['created_at'])
  })

  const messages = messagesOf(tenantFirstInIndexes, catalog)

  assert.match(messages.join('\n'), /does not begin with tenant_id/)
})

test('tenant-first-in-indexes: accepts one that begins with the tenant', () => {
  const catalog = soundCatalog((_, things) => {
    addIndex(things, 'things_at_idx', ['tenant_id', 'created_at'])
  })

  const messages = messagesOf(tenantFirstInIndexes, catalog)

  assert.deepEqual(messages, [])
})

test('tenant-first-in-indexes: accepts one whose comment says what it is for', () => {
  const catalog = soundCatalog((_, things) => {
    addIndex(things, 'things_due_idx', ['due_at'], { comment: 'about=The relay reads all tenants in order.' })
  })

  const messages = messagesOf(tenantFirstInIndexes, catalog)

  assert.deepEqual(messages, [])
})
