import type { Table } from '../../catalog/model.ts'
import { nameOf, scopeOf } from '../context.ts'
import { defineRule } from '../rule.ts'

export const noPrimaryKey = defineRule<Table>({
  id: 'no-primary-key',
  family: 'structure',
  severity: 'warning',
  effect: 'A row cannot be named: duplicates stay, and logical replication refuses to update or delete.',
  instead: 'Give the table a primary key; of a table that joins two, their two keys.',
  *subjects(context) {
    // Of a table of tenants tenant-first-in-keys tells it, as an error.
    for (const table of context.tables)
      if (table.partitionOf === null && table.inherits.length === 0 && scopeOf(table, context) === 'global') yield table
  },
  *check(table) {
    if ([...table.constraints.values()].some(({ kind }) => kind === 'primary key')) return
    const object = nameOf(table)
    yield { object, message: `${object} has no primary key`, position: table.position }
  },
})
