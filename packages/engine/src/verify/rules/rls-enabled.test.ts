import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addTable, addTenantTable, messagesOf, soundCatalog } from '../../../../../tests/support/catalog-builder.ts'
import { makeContext } from '../context.ts'
import { defaultPolicy } from '../policy.ts'
import { runRules } from '../run-rules.ts'
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

test('rls-enabled: its fix quotes what must be quoted', () => {
  const catalog = soundCatalog((own) => addTenantTable(own, 'a', 'My Notes', { rlsEnabled: false }))

  const { findings } = runRules([rlsEnabled], makeContext(catalog, defaultPolicy))

  assert.deepEqual(
    findings.map(({ fix }) => fix),
    ['alter table a."My Notes" enable row level security;'],
  )
})
