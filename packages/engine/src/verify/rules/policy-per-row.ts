import type { Policy, Table } from '../../catalog/model.ts'
import { nameOf, scopeOf, type VerifyContext } from '../context.ts'
import { matchesName } from '../match-name.ts'
import { callsPerRow } from '../policy-expression.ts'
import { defineRule } from '../rule.ts'

export const policyPerRow = defineRule<{ table: Table; policy: Policy }>({
  id: 'policy-per-row',
  family: 'tenancy',
  severity: 'warning',
  effect:
    'The function is called once for every row that a query reads: a query over a large table takes many times as long.',
  instead:
    'Wrap the call: (select current_setting(..)), (select schema.function()): PostgreSQL then asks once a statement.',
  *subjects(context) {
    for (const table of context.tables) {
      for (const policy of table.policies.values()) if (!isJudged(policy, table, context)) yield { table, policy }
    }
  },
  *check({ table, policy }, context) {
    const names = [policy.using, policy.withCheck].flatMap((text) => (text === null ? [] : callsPerRow(text, context)))
    if (names.length === 0) return
    const object = nameOf(table)
    const message = `policy ${policy.name} on ${object} calls ${[...new Set(names)].join(' and ')} for every row`
    yield { object, message, position: policy.position ?? table.position }
  },
})

/** The isolation of tenants is held to its one text by tenant-policy. */
function isJudged(policy: Policy, table: Table, context: VerifyContext): boolean {
  return scopeOf(table, context) !== 'global' && matchesName(context.policy.isolationPolicy, policy.name)
}
