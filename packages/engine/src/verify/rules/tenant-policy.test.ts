import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  addFunction,
  addPolicy,
  addTenantTable,
  canonical,
  messagesOf,
  soundCatalog,
} from '../../../../../tests/support/catalog-builder.ts'
import type { Catalog, Policy } from '../../catalog/model.ts'
import { defaultPolicy } from '../policy.ts'
import { tenantPolicy } from './tenant-policy.ts'

test('tenant-policy: finds a table without the policy', () => {
  const catalog = soundCatalog((_, things) => {
    things.policies.delete('tenant_isolation')
  })

  const messages = messagesOf(tenantPolicy, catalog)

  assert.match(messages.join('\n'), /has no policy tenant_isolation/)
})

test('tenant-policy: finds a policy that is always true', () => {
  const catalog = soundCatalog((_, things) => {
    addPolicy(things, 'tenant_isolation', { using: 'true' })
  })

  const messages = messagesOf(tenantPolicy, catalog)

  assert.match(messages.join('\n'), /another USING/)
})

test('tenant-policy: finds a write check that is always true', () => {
  const catalog = soundCatalog((_, things) => {
    addPolicy(things, 'tenant_isolation', { withCheck: 'true' })
  })

  const messages = messagesOf(tenantPolicy, catalog)

  assert.match(messages.join('\n'), /another WITH CHECK/)
})

test('tenant-policy: finds a policy without a write check', () => {
  const catalog = soundCatalog((_, things) => {
    addPolicy(things, 'tenant_isolation', { withCheck: null })
  })

  const messages = messagesOf(tenantPolicy, catalog)

  assert.match(messages.join('\n'), /has no WITH CHECK/)
})

test('tenant-policy: finds the canonical text with OR behind it', () => {
  const catalog = soundCatalog((_, things) => {
    addPolicy(things, 'tenant_isolation', { using: `(${canonical} OR true)` })
  })

  const messages = messagesOf(tenantPolicy, catalog)

  assert.match(messages.join('\n'), /another USING/)
})

test('tenant-policy: finds a policy that covers reading only', () => {
  const catalog = soundCatalog((_, things) => {
    addPolicy(things, 'tenant_isolation', { command: 'select' })
  })

  const messages = messagesOf(tenantPolicy, catalog)

  assert.match(messages.join('\n'), /covers select only/)
})

test('tenant-policy: finds a policy for one role only', () => {
  const catalog = soundCatalog((_, things) => {
    addPolicy(things, 'tenant_isolation', { roles: ['a_app'] })
  })

  const messages = messagesOf(tenantPolicy, catalog)

  assert.match(messages.join('\n'), /does not hold for every role/)
})

test('tenant-policy: finds a second permissive policy', () => {
  const catalog = soundCatalog((_, things) => {
    addPolicy(things, 'wide', { using: 'true' })
  })

  const messages = messagesOf(tenantPolicy, catalog)

  assert.match(messages.join('\n'), /permissive policy wide on a\.things/)
})

test('tenant-policy: finds shared rows on a table that is not shared', () => {
  const catalog = soundCatalog((_, things) => {
    addPolicy(things, 'shared_rows', { command: 'select', using: '(tenant_id IS NULL)', withCheck: null })
  })

  const messages = messagesOf(tenantPolicy, catalog)

  assert.match(messages.join('\n'), /permissive policy shared_rows/)
})

test('tenant-policy: finds a shared policy that allows writing', () => {
  const catalog = soundCatalog((catalog) => {
    shared(catalog, { using: '(tenant_id IS NULL)', withCheck: '(tenant_id IS NULL)' })
  })

  const messages = messagesOf(tenantPolicy, catalog)

  assert.match(messages.join('\n'), /permissive policy shared_rows/)
})

test('tenant-policy: finds the platform policy on the root table given to an application', () => {
  const catalog = soundCatalog((catalog) => {
    addPolicy(catalog.tables.get('core.tenants')!, 'platform', { roles: ['imhotep_app'], using: 'true' })
  })

  const messages = messagesOf(tenantPolicy, catalog)

  assert.match(messages.join('\n'), /permissive policy platform/)
})

test('tenant-policy: accepts the form for distributed tables', () => {
  const catalog = soundCatalog((_, things) => {
    addPolicy(things, 'tenant_isolation', {
      using: '(tenant_id = core.current_tenant_id())',
      withCheck: '(tenant_id = core.current_tenant_id())',
    })
  })

  const messages = messagesOf(tenantPolicy, catalog)

  assert.deepEqual(messages, [])
})

test('tenant-policy: accepts a restrictive policy beside it', () => {
  const catalog = soundCatalog((_, things) => {
    addPolicy(things, 'department', { permissive: false, using: 'false' })
  })

  const messages = messagesOf(tenantPolicy, catalog)

  assert.deepEqual(messages, [])
})

test('tenant-policy: accepts readable shared rows on a shared table', () => {
  const catalog = soundCatalog((catalog) => {
    shared(catalog, { command: 'select', using: '(tenant_id IS NULL)', withCheck: null })
  })

  const messages = messagesOf(tenantPolicy, catalog)

  assert.deepEqual(messages, [])
})

test('tenant-policy: accepts the platform role on the root table', () => {
  const catalog = soundCatalog((catalog) => {
    addPolicy(catalog.tables.get('core.tenants')!, 'platform', { roles: ['imhotep_platform'], using: 'true' })
  })

  const messages = messagesOf(tenantPolicy, catalog)

  assert.deepEqual(messages, [])
})

for (const [expression, reason] of [
  ['(1 = 1)', /it is always true/],
  [`(${canonical} OR true)`, /OR opens it further/],
  ['(EXISTS ( SELECT 1 FROM a.members m WHERE (m.tenant_id = m.tenant_id)))', /EXISTS is asked for every row/],
  ['(tenant_id IN ( SELECT a.my_tenants() AS my_tenants))', /IN is asked for every row/],
  [`(tenant_id = (current_setting('app.tenant_id'::text, true))::uuid)`, /current_setting is called for every row/],
  ['(tenant_id = a.f())', /a\.f is called for every row, a\.f is volatile/],
] as const) {
  test(`tenant-policy: says what is wrong with ${expression}`, () => {
    const catalog = soundCatalog((catalog, things) => {
      addFunction(catalog, 'a', 'f', { volatility: 'volatile' })
      addPolicy(things, 'tenant_isolation', { using: expression })
    })

    const messages = messagesOf(tenantPolicy, catalog)

    assert.match(messages.join('\n'), reason)
  })
}

test('tenant-policy: compares with an expression where the policy gives one, in its fast form only', () => {
  const expression = `nullif(current_setting('app.tenant_id', true), '')::uuid`
  const printed = `(NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid`
  const policy = { ...defaultPolicy, contextExpression: expression }
  const [fast, slow] = [`(tenant_id = ( SELECT ${printed} AS "nullif"))`, `(tenant_id = ${printed})`].map((using) =>
    soundCatalog((catalog, things) => {
      catalog.tables.delete('core.tenants')
      addPolicy(things, 'tenant_isolation', { using, withCheck: using })
    }),
  )

  assert.deepEqual(messagesOf(tenantPolicy, fast!, undefined, policy), [])
  assert.equal(messagesOf(tenantPolicy, slow!, undefined, policy).length, 2)
})

test('tenant-policy: accepts a policy for each command, and finds that one is missing', () => {
  const split = (commands: readonly Policy['command'][]) =>
    soundCatalog((_, things) => {
      things.policies.delete('tenant_isolation')
      for (const command of commands) {
        const using = command === 'insert' ? null : canonical
        const withCheck = command === 'select' || command === 'delete' ? null : canonical
        addPolicy(things, `tenant_isolation_${command}`, { command, using, withCheck })
      }
    })
  const policy = { ...defaultPolicy, isolationPolicy: 'tenant_isolation*' }

  const whole = messagesOf(tenantPolicy, split(['select', 'insert', 'update', 'delete']), undefined, policy)
  const partial = messagesOf(tenantPolicy, split(['select', 'insert', 'update']), undefined, policy)

  assert.deepEqual(whole, [])
  assert.deepEqual(partial, ['policy tenant_isolation_select on a.things covers select only'])
})

test('tenant-policy: finds the policy by a pattern of names', () => {
  const catalog = soundCatalog((_, things) => {
    things.policies.delete('tenant_isolation')
    addPolicy(things, 'things_by_tenant')
  })

  const messages = messagesOf(tenantPolicy, catalog, undefined, { ...defaultPolicy, isolationPolicy: '*_by_tenant' })

  assert.deepEqual(messages, ['core.tenants has no policy *_by_tenant'])
})

function shared(catalog: Catalog, policy: Partial<Policy>): void {
  const codes = addTenantTable(catalog, 'a', 'codes')
  codes.comment = 'class=reference;scope=shared;about=Codes.'
  addPolicy(codes, 'shared_rows', policy)
}
