import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addView, grant, messagesOf, soundCatalog } from '../../../../../tests/support/catalog-builder.ts'
import { viewSecurityInvoker } from './view-security-invoker.ts'

test('view-security-invoker: finds a view that runs as its owner', () => {
  const catalog = soundCatalog((catalog) => {
    addView(catalog, 'a', 'v', { securityInvoker: false })
  })

  const messages = messagesOf(viewSecurityInvoker, catalog)

  assert.match(messages.join('\n'), /view a.v runs as its owner/)
})

test('view-security-invoker: finds a granted materialized view', () => {
  const catalog = soundCatalog((catalog) => {
    addView(catalog, 'a', 'v', { materialized: true, grants: [grant('a_ro', 'SELECT')] })
  })

  const messages = messagesOf(viewSecurityInvoker, catalog)

  assert.match(messages.join('\n'), /granted to a_ro/)
})

test('view-security-invoker: accepts a view that runs as its caller', () => {
  const catalog = soundCatalog((catalog) => {
    addView(catalog, 'a', 'v')
  })

  const messages = messagesOf(viewSecurityInvoker, catalog)

  assert.deepEqual(messages, [])
})
