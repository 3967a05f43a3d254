import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Policy, Table } from '../../catalog/model.ts'
import { addColumn, addTenantTable, messagesOf, soundCatalog } from '../../../../../tests/support/catalog-builder.ts'
import { restrictivePolicyMissing } from './restrictive-policy-missing.ts'

const limit: Policy = {
  name: 'own_department',
  command: 'all',
  permissive: false,
  roles: ['public'],
  using: '(tenant_id IS NOT NULL) AND (department_id = ANY (( SELECT a.my_departments())::uuid[]))',
  withCheck: null,
  comment: null,
}

/** Three tables of departments: two have the policy, the third is changed. */
function departments(change: (third: Table) => void) {
  return soundCatalog((catalog) => {
    const comment = 'class=phi;scope=tenant;retention=10y;about=Health.'
    const [visits, orders, findings] = ['visits', 'orders', 'findings'].map((name) => {
      const table = addTenantTable(catalog, 'a', name, { comment })
      addColumn(table, 'department_id', 'uuid')
      return table
    })
    for (const table of [visits, orders]) table?.policies.set(limit.name, limit)
    if (findings) change(findings)
  })
}

test('restrictive-policy-missing: finds the table that was forgotten', () => {
  const messages = messagesOf(
    restrictivePolicyMissing,
    departments(() => {}),
  )

  assert.deepEqual(messages, ['no policy own_department on a.findings (class=phi), which has a column department_id'])
})

for (const [what, change] of [
  ['is permissive', { permissive: true }],
  ['does not hold for every command and role', { command: 'select' }],
  ['does not hold for every command and role', { roles: ['a_app'] }],
  ['is always true', { using: 'true' }],
  ['is always true', { withCheck: '(1 < 2)' }],
] satisfies [string, Partial<Policy>][]) {
  test(`restrictive-policy-missing: finds one that ${what} (${JSON.stringify(change)})`, () => {
    const catalog = departments((third) => third.policies.set(limit.name, { ...limit, ...change }))

    const messages = messagesOf(restrictivePolicyMissing, catalog)

    assert.equal(messages.length, 1)
    assert.match(messages[0] ?? '', new RegExp(`on a\\.findings \\(class=phi\\) ${what}`))
  })
}

test('restrictive-policy-missing: is silent where each has it, nobody has it or few do, and about what has no such column', () => {
  const everywhere = departments((third) => third.policies.set(limit.name, limit))
  const nowhere = departments(() => {})
  for (const table of nowhere.tables.values()) table.policies.delete(limit.name)
  const few = departments(() => {})
  few.tables.get('a.orders')?.policies.delete(limit.name)
  const nameless = departments((third) => third.columns.delete('department_id'))

  for (const catalog of [everywhere, nowhere, few, nameless])
    assert.deepEqual(messagesOf(restrictivePolicyMissing, catalog), [])
})
