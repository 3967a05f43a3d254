import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addRole, messagesOf, soundCatalog } from '../../../../../tests/support/catalog-builder.ts'
import { applicationRoles } from './application-roles.ts'

test('application-roles: finds an application with BYPASSRLS', () => {
  const catalog = soundCatalog((catalog) => {
    addRole(catalog, 'imhotep_app', { bypassRls: true })
  })

  const messages = messagesOf(applicationRoles, catalog)

  assert.match(messages.join('\n'), /has BYPASSRLS/)
})

test('application-roles: finds a superuser among the roles that an application is in', () => {
  const catalog = soundCatalog((catalog) => {
    addRole(catalog, 'a_app', { superuser: true })
  })

  const messages = messagesOf(applicationRoles, catalog)

  assert.match(messages.join('\n'), /a_app is a superuser/)
})

test('application-roles: finds an application that owns a table', () => {
  const catalog = soundCatalog((_, things) => {
    things.owner = 'imhotep_app'
  })

  const messages = messagesOf(applicationRoles, catalog)

  assert.match(messages.join('\n'), /a\.things is owned by application role imhotep_app/)
})

test('application-roles: finds an application in a role that owns a table', () => {
  const catalog = soundCatalog((catalog) => {
    addRole(catalog, 'imhotep_app', { memberOf: ['a_owner'] })
  })

  const messages = messagesOf(applicationRoles, catalog)

  assert.match(messages.join('\n'), /owned by application role a_owner/)
})

test('application-roles: finds an application that reads everything', () => {
  const catalog = soundCatalog((catalog) => {
    addRole(catalog, 'imhotep_app', { memberOf: ['pg_read_all_data'] })
  })

  const messages = messagesOf(applicationRoles, catalog)

  assert.match(messages.join('\n'), /member of pg_read_all_data/)
})

test('application-roles: is silent about roles that own nothing', () => {
  const catalog = soundCatalog()

  const messages = messagesOf(applicationRoles, catalog)

  assert.deepEqual(messages, [])
})
