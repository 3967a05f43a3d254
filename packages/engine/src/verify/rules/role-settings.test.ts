import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addRole, messagesOf, soundCatalog } from '../../../../../tests/support/catalog-builder.ts'
import { roleSettings } from './role-settings.ts'

const catalog = soundCatalog((own) => addRole(own, 'web', { login: true, memberOf: ['imhotep_app'] }))

test('role-settings: finds what an application logs in with', () => {
  const messages = messagesOf(roleSettings, catalog, {
    settings: [
      { role: 'imhotep_app', name: 'session_replication_role', value: 'replica' },
      { role: 'web', name: 'app.tenant_id', value: 'x' },
      { role: null, name: 'app.tenant_id', value: 'y' },
    ],
  })

  assert.deepEqual(messages, [
    'application role imhotep_app logs in with session_replication_role=replica',
    'login web, in an application role, logs in with app.tenant_id=x',
    'every role logs in with app.tenant_id=y',
  ])
})

test('role-settings: finds rights to settings', () => {
  const messages = messagesOf(roleSettings, catalog, {
    parameterGrants: [
      { grantee: 'public', parameter: 'session_replication_role', privilege: 'SET' },
      { grantee: 'a_app', parameter: 'log_statement', privilege: 'ALTER SYSTEM' },
    ],
  })

  assert.deepEqual(messages, [
    'every role may set session_replication_role',
    'application role a_app may set log_statement for the whole server',
  ])
})

test('role-settings: is silent about other settings and other roles', () => {
  const messages = messagesOf(roleSettings, catalog, {
    settings: [
      { role: 'imhotep_app', name: 'statement_timeout', value: '1s' },
      { role: null, name: 'search_path', value: 'a' },
      { role: 'a_owner', name: 'row_security', value: 'off' },
    ],
    parameterGrants: [
      { grantee: 'imhotep_app', parameter: 'log_statement', privilege: 'SET' },
      { grantee: 'postgres', parameter: 'session_replication_role', privilege: 'SET' },
    ],
  })

  assert.deepEqual(messages, [])
})
