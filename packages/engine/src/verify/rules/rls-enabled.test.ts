import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addTable, addTenantTable, messagesOf, soundCatalog } from '../../../../../tests/support/catalog-builder.ts'
import { rlsEnabled } from './rls-enabled.ts'

test('rls-enabled: finds a tenant table with row level security off', () => {
  const catalog = soundCatalog((_, things) => {
    things.rlsEnabled = false
  })

  const messages = messagesOf(rlsEnabled, catalog)

  assert.match(messages.join('\n'), /row level security is off on a\.things/)
})

test('rls-enabled: finds a partition with row level security off', () => {
  const catalog = soundCatalog((catalog) => {
    addTenantTable(catalog, 'a', 'things_default', { partitionOf: 'a.things', rlsEnabled: false })
  })

  const messages = messagesOf(rlsEnabled, catalog)

  assert.match(messages.join('\n'), /row level security is off on a\.things_default/)
})

test('rls-enabled: is silent about tables that belong to no tenant', () => {
  const catalog = soundCatalog((catalog) => {
    addTable(catalog, 'a', 'codes', 'class=reference;scope=global;about=Codes.', { rlsEnabled: false })
  })

  const messages = messagesOf(rlsEnabled, catalog)

  assert.deepEqual(messages, [])
})
