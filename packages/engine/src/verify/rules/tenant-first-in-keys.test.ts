import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addConstraint, addIndex, messagesOf, soundCatalog } from '../../../../../tests/support/catalog-builder.ts'
import { tenantFirstInKeys } from './tenant-first-in-keys.ts'

test('tenant-first-in-keys: finds a primary key without the tenant', () => {
  const catalog = soundCatalog((_, things) => {
    addConstraint(things, 'things_pkey', 'primary key', ['id'])
  })

  const messages = messagesOf(tenantFirstInKeys, catalog)

  assert.match(messages.join('\n'), /primary key things_pkey of a\.things does not begin with tenant_id/)
})

test('tenant-first-in-keys: finds a table without a primary key', () => {
  const catalog = soundCatalog((_, things) => {
    things.constraints.clear()
  })

  const messages = messagesOf(tenantFirstInKeys, catalog)

  assert.match(messages.join('\n'), /has no primary key/)
})

test('tenant-first-in-keys: finds a unique key without the tenant', () => {
  const catalog = soundCatalog((_, things) => {
    addConstraint(things, 'things_code_key', 'unique', ['code'])
  })

  const messages = messagesOf(tenantFirstInKeys, catalog)

  assert.match(messages.join('\n'), /unique things_code_key/)
})

test('tenant-first-in-keys: finds a unique index without the tenant', () => {
  const catalog = soundCatalog((_, things) => {
    addIndex(things, 'things_code_idx', ['code'], { unique: true })
  })

  const messages = messagesOf(tenantFirstInKeys, catalog)

  assert.match(messages.join('\n'), /unique index things_code_idx/)
})

test('tenant-first-in-keys: finds an exclusion without the tenant', () => {
  const catalog = soundCatalog((_, things) => {
    addConstraint(things, 'things_alone', 'exclude', ['during'])
  })

  const messages = messagesOf(tenantFirstInKeys, catalog)

  assert.match(messages.join('\n'), /exclude things_alone/)
})

test('tenant-first-in-keys: accepts keys that begin with the tenant', () => {
  const catalog = soundCatalog((_, things) => {
    addConstraint(things, 'things_code_key', 'unique', ['tenant_id', 'code'])
  })

  const messages = messagesOf(tenantFirstInKeys, catalog)

  assert.deepEqual(messages, [])
})

test('tenant-first-in-keys: accepts the id alone as the key of a shared table', () => {
  const catalog = soundCatalog((_, things) => {
    things.comment = 'class=reference;scope=shared;about=Codes.'
    addConstraint(things, 'things_pkey', 'primary key', ['id'])
  })

  const messages = messagesOf(tenantFirstInKeys, catalog)

  assert.deepEqual(messages, [])
})

test('tenant-first-in-keys: accepts a partitioned shared key and an exclusion that replaces the null of shared rows', () => {
  const catalog = soundCatalog((_, things) => {
    things.comment = 'class=reference;scope=shared;about=Codes.'
    addConstraint(things, 'things_pkey', 'primary key', ['id', 'ran_at'])
    addConstraint(things, 'things_not_overlapping', 'exclude', ['code', 'valid_during'])
    const added = things.constraints.get('things_not_overlapping')
    if (added) {
      const definition = 'EXCLUDE USING gist (COALESCE(tenant_id, core.zero_uuid()) WITH =, code WITH =)'
      things.constraints.set(added.name, { ...added, definition })
    }
  })

  const messages = messagesOf(tenantFirstInKeys, catalog)

  assert.deepEqual(messages, [])
})

test('tenant-first-in-keys: reports an exclusion of a shared table that knows no tenant', () => {
  const catalog = soundCatalog((_, things) => {
    things.comment = 'class=reference;scope=shared;about=Codes.'
    addConstraint(things, 'things_not_overlapping', 'exclude', ['code', 'valid_during'])
  })

  const messages = messagesOf(tenantFirstInKeys, catalog)

  assert.deepEqual(messages, ['exclude things_not_overlapping of a.things does not begin with tenant_id'])
})
