import type { Index, Table } from '../../catalog/model.ts'
import { nameOf, scopeOf } from '../context.ts'
import { defineRule } from '../rule.ts'

export const tenantFirstInIndexes = defineRule<{ table: Table; index: Index }>({
  id: 'tenant-first-in-indexes',
  family: 'tenancy',
  severity: 'warning',
  effect: 'A query of one tenant walks through the entries of all tenants.',
  instead:
    'create index ... on ... (tenant_id, ...). An index that a cross-tenant worker needs is fine: say so in its comment.',
  *subjects(context) {
    for (const table of context.tenantTables) {
      if (scopeOf(table, context) === 'root' || table.partitionOf !== null) continue
      for (const index of table.indexes.values()) {
        if (index.method === 'btree' && !index.unique && !index.fromConstraint) yield { table, index }
      }
    }
  },
  *check({ table, index }, context) {
    if (index.keys[0]?.column === context.policy.tenantColumn || index.comment !== null) return
    yield {
      object: nameOf(table),
      message: `index ${index.name} of ${nameOf(table)} does not begin with ${context.policy.tenantColumn}`,
      position: index.position ?? table.position,
    }
  },
})
