import type { Table } from '../../catalog/model.ts'
import { nameOf, scopeOf, tenantColumnOf, topOf } from '../context.ts'
import { defineRule } from '../rule.ts'
import { parseTags } from '../tags.ts'

export const tenantColumn = defineRule<Table>({
  id: 'tenant-column',
  family: 'tenancy',
  severity: 'error',
  effect: 'A row without a tenant belongs to nobody and is invisible to everybody, or visible to all.',
  instead: 'Give the table tenant_id uuid not null; nullable only with scope=shared; none at all with scope=global.',
  subjects: (context) => context.tables,
  *check(table, context) {
    const object = nameOf(table)
    const scope = scopeOf(table, context)
    const name = tenantColumnOf(table, context)
    const column = table.columns.get(name)
    const at = { object, position: column?.position ?? table.position }
    // A table that has the column is held to it, whatever its comment says.
    if (column && parseTags(topOf(table, context.catalog).comment).get('scope') === 'global') {
      yield { ...at, message: `${object} says scope=global and has a column ${name}` }
    }
    if (scope === 'global') return
    if (!column) {
      yield { ...at, message: `${object} is of scope ${scope} and has no column ${name}` }
      return
    }
    const { tenantType } = context.policy
    if (column.type !== tenantType) yield { ...at, message: `${object}.${name} is ${column.type}, not ${tenantType}` }
    if (!column.notNull && scope !== 'shared') yield { ...at, message: `${object}.${name} can be null` }
    if (column.default !== null && scope !== 'root') {
      yield { ...at, message: `${object}.${name} has a default: a row must say whose it is` }
    }
  },
})
