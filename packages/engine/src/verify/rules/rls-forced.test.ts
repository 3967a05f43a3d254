import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addTenantTable, messagesOf, soundCatalog } from '../../../../../tests/support/catalog-builder.ts'
import { rlsForced } from './rls-forced.ts'

test('rls-forced: finds a table whose owner steps around the policies', () => {
  const catalog = soundCatalog((_, things) => {
    things.rlsForced = false
  })

  const messages = messagesOf(rlsForced, catalog)

  assert.match(messages.join('\n'), /not forced on a\.things/)
})

test('rls-forced: finds an unforced partition', () => {
  const catalog = soundCatalog((catalog) => {
    addTenantTable(catalog, 'a', 'things_default', { partitionOf: 'a.things', rlsForced: false })
  })

  const messages = messagesOf(rlsForced, catalog)

  assert.match(messages.join('\n'), /not forced on a\.things_default/)
})

test('rls-forced: is silent about a sound table', () => {
  const catalog = soundCatalog()

  const messages = messagesOf(rlsForced, catalog)

  assert.deepEqual(messages, [])
})
