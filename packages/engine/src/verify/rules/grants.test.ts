import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  addFunction,
  addTenantTable,
  grant,
  messagesOf,
  soundCatalog,
} from '../../../../../tests/support/catalog-builder.ts'
import { grants } from './grants.ts'

test('grants: finds a partition that is granted', () => {
  const catalog = soundCatalog((catalog) => {
    addTenantTable(catalog, 'a', 'things_default', { partitionOf: 'a.things', grants: [grant('a_app', 'SELECT')] })
  })

  const messages = messagesOf(grants, catalog)

  assert.match(messages.join('\n'), /partitions are reached through their parent/)
})

test('grants: finds a table for everybody', () => {
  const catalog = soundCatalog((_, things) => {
    things.grants.push(grant('public', 'SELECT'))
  })

  const messages = messagesOf(grants, catalog)

  assert.match(messages.join('\n'), /nothing is for everybody/)
})

test('grants: finds protected rows that an application may delete', () => {
  const catalog = soundCatalog((_, things) => {
    things.comment = 'class=phi;scope=tenant;about=Things.'
    things.grants.push(grant('a_app', 'DELETE'))
  })

  const messages = messagesOf(grants, catalog)

  assert.match(messages.join('\n'), /never deleted/)
})

test('grants: finds a table that an application may empty', () => {
  const catalog = soundCatalog((_, things) => {
    things.grants.push(grant('a_app', 'TRUNCATE'))
  })

  const messages = messagesOf(grants, catalog)

  assert.match(messages.join('\n'), /do not need it/)
})

test('grants: finds a definer function for everybody', () => {
  const catalog = soundCatalog((catalog) => {
    addFunction(catalog, 'a', 'f', { grants: [grant('public', 'EXECUTE')] })
  })

  const messages = messagesOf(grants, catalog)

  assert.match(messages.join('\n'), /public holds execute/)
})

test('grants: accepts what an application needs', () => {
  const catalog = soundCatalog((_, things) => {
    things.grants.push(
      grant('a_app', 'SELECT'),
      grant('a_app', 'INSERT'),
      grant('a_app', 'UPDATE'),
      grant('a_owner', 'DELETE'),
    )
  })

  const messages = messagesOf(grants, catalog)

  assert.deepEqual(messages, [])
})
