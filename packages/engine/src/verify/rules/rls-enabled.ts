import { qualified } from '../../print/sql-text.ts'
import { nameOf } from '../context.ts'
import { defineRule } from '../rule.ts'

export const rlsEnabled = defineRule({
  id: 'rls-enabled',
  family: 'tenancy',
  severity: 'error',
  effect: 'Every role with SELECT on the table reads the rows of all tenants.',
  instead: 'alter table ... enable row level security; on partitions too: a partition read directly has its own flag.',
  subjects: (context) => context.tenantTables,
  *check(table) {
    if (table.rlsEnabled) return
    const object = nameOf(table)
    yield {
      object,
      message: `row level security is off on ${object}`,
      position: table.position,
      fix: `alter table ${qualified(table)} enable row level security;`,
    }
  },
})
