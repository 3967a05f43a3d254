import type { Table } from '../../catalog/model.ts'
import { qualified } from '../../print/sql-text.ts'
import { nameOf, scopeOf } from '../context.ts'
import { defineRule } from '../rule.ts'

export const policyWithoutRls = defineRule<Table>({
  id: 'policy-without-rls',
  family: 'tenancy',
  severity: 'error',
  effect:
    'Policies are there and PostgreSQL does not ask them: whoever reads the schema believes that rows are protected.',
  instead: 'alter table ... enable row level security; or drop the policies.',
  *subjects(context) {
    // Of a table of tenants rls-enabled tells it, policies or not.
    for (const table of context.tables) if (table.policies.size > 0 && scopeOf(table, context) === 'global') yield table
  },
  *check(table) {
    if (table.rlsEnabled) return
    const object = nameOf(table)
    const [first] = table.policies.values()
    yield {
      object,
      message: `${object} has policies (${[...table.policies.keys()].join(', ')}) and row level security is off`,
      position: first?.position ?? table.position,
      fix: `alter table ${qualified(table)} enable row level security;`,
    }
  },
})
