import { qualified } from '../../print/sql-text.ts'
import { nameOf } from '../context.ts'
import { defineRule } from '../rule.ts'

export const rlsForced = defineRule({
  id: 'rls-forced',
  family: 'tenancy',
  severity: 'error',
  effect: 'Policies do not hold for the owner of the table, so every SECURITY DEFINER function sees all tenants.',
  instead: 'alter table ... force row level security; on partitions too.',
  subjects: (context) => context.tenantTables,
  *check(table) {
    if (table.rlsForced) return
    const object = nameOf(table)
    yield {
      object,
      message: `row level security is not forced on ${object}: its owner sees all tenants`,
      position: table.position,
      fix: `alter table ${qualified(table)} force row level security;`,
    }
  },
})
