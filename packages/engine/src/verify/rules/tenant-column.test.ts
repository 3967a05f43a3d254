import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addColumn, messagesOf, soundCatalog } from '../../../../../tests/support/catalog-builder.ts'
import { tenantColumn } from './tenant-column.ts'

test('tenant-column: finds a tenant that can be null', () => {
  const catalog = soundCatalog((_, things) => {
    addColumn(things, 'tenant_id', 'uuid', { notNull: false })
  })

  const messages = messagesOf(tenantColumn, catalog)

  assert.match(messages.join('\n'), /can be null/)
})

test('tenant-column: finds a tenant that is no uuid', () => {
  const catalog = soundCatalog((_, things) => {
    addColumn(things, 'tenant_id', 'text')
  })

  const messages = messagesOf(tenantColumn, catalog)

  assert.match(messages.join('\n'), /is text, not uuid/)
})

test('tenant-column: finds a tenant table without the column', () => {
  const catalog = soundCatalog((_, things) => {
    things.columns.delete('tenant_id')
  })

  const messages = messagesOf(tenantColumn, catalog)

  assert.match(messages.join('\n'), /has no column tenant_id/)
})

test('tenant-column: finds a global table that has the column', () => {
  const catalog = soundCatalog((_, things) => {
    things.comment = 'class=reference;scope=global;about=Codes.'
  })

  const messages = messagesOf(tenantColumn, catalog)

  assert.match(messages.join('\n'), /scope=global and has a column/)
})

test('tenant-column: finds a tenant that is filled in silently', () => {
  const catalog = soundCatalog((_, things) => {
    addColumn(things, 'tenant_id', 'uuid', { default: 'core.current_tenant_id()' })
  })

  const messages = messagesOf(tenantColumn, catalog)

  assert.match(messages.join('\n'), /has a default/)
})

test('tenant-column: accepts a nullable tenant on a shared table', () => {
  const catalog = soundCatalog((_, things) => {
    things.comment = 'class=reference;scope=shared;about=Codes.'
    addColumn(things, 'tenant_id', 'uuid', { notNull: false })
  })

  const messages = messagesOf(tenantColumn, catalog)

  assert.deepEqual(messages, [])
})

test('tenant-column: finds a tenant that can be null on a table that does not say that it is shared', () => {
  const catalog = soundCatalog((_, things) => {
    things.comment = 'class=operational;about=Things.'
    addColumn(things, 'tenant_id', 'uuid', { notNull: false })
  })

  const messages = messagesOf(tenantColumn, catalog)

  assert.match(messages.join('\n'), /can be null/)
})
