import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addPolicy, addTable, messagesOf, soundCatalog } from '../../../../../tests/support/catalog-builder.ts'
import type { Policy } from '../../catalog/model.ts'
import { policyAlwaysTrue } from './policy-always-true.ts'

const withPolicy = (policy: Partial<Policy>) =>
  soundCatalog((catalog) => addPolicy(addTable(catalog, 'a', 'notes', null), 'open', policy))

for (const policy of [
  { using: 'true' },
  { withCheck: '(1 = 1)' },
  { using: '(1 < 2)' },
  { using: '(NOT false)' },
  { using: "((id IS NULL) OR ('a'::text = 'a'::text))" },
  { command: 'insert', using: null, withCheck: 'true' },
] as const) {
  test(`policy-always-true: finds ${JSON.stringify(policy)}`, () => {
    const messages = messagesOf(policyAlwaysTrue, withPolicy(policy))

    assert.match(messages.join('\n'), /^policy open on a\.notes is always true for/)
  })
}

for (const policy of [
  { command: 'select', using: 'true', withCheck: null },
  { using: 'true', roles: ['imhotep_platform'] },
  { using: 'true', withCheck: 'true', permissive: false },
  { using: '(open = true)', withCheck: '(open = true)' },
  { using: '(NOT true)', withCheck: '(2 < 1)' },
] as const) {
  test(`policy-always-true: accepts ${JSON.stringify(policy)}`, () => {
    const messages = messagesOf(
      policyAlwaysTrue,
      withPolicy({ ...policy, roles: [...('roles' in policy ? policy.roles : ['public'])] }),
    )

    assert.deepEqual(messages, [])
  })
}
