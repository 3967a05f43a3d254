import type { Policy, Table } from '../../catalog/model.ts'
import { nameOf, scopeOf } from '../context.ts'
import { isAlwaysTrue } from '../policy-expression.ts'
import { defineRule } from '../rule.ts'

export const policyAlwaysTrue = defineRule<{ table: Table; policy: Policy }>({
  id: 'policy-always-true',
  family: 'tenancy',
  severity: 'error',
  effect: 'Row level security is on and lets everybody who has the privilege write every row: it protects nothing.',
  instead: 'Say whose rows they are in USING and WITH CHECK; a table that all may read needs a policy for select only.',
  *subjects(context) {
    for (const table of context.tables) {
      // Tables of tenants are held to one text by tenant-policy.
      if (scopeOf(table, context) !== 'global') continue
      for (const policy of table.policies.values()) if (policy.permissive) yield { table, policy }
    }
  },
  *check({ table, policy }, context) {
    const { platformRoles, allowedPolicies } = context.policy
    if (policy.command === 'select' || policy.roles.every((role) => platformRoles.includes(role))) return
    const object = nameOf(table)
    if (allowedPolicies.some((allowed) => allowed.table === object && allowed.policy === policy.name)) return
    if (![policy.using, policy.withCheck].some((text) => text !== null && isAlwaysTrue(text))) return
    const message = `policy ${policy.name} on ${object} is always true for ${policy.command}`
    yield { object, message, position: policy.position ?? table.position }
  },
})
