import type { Table } from '../../catalog/model.ts'
import { qualified } from '../../print/sql-text.ts'
import { nameOf } from '../context.ts'
import { defineRule } from '../rule.ts'

export const unloggedTable = defineRule<Table>({
  id: 'unlogged-table',
  family: 'structure',
  severity: 'warning',
  effect: 'A crash empties the table, replicas and restored backups do not have its rows at all.',
  instead:
    'alter table ... set logged; keep unlogged what can be computed again, and say so in a comment on the table.',
  subjects: (context) => context.tables,
  *check(table) {
    if (!table.unlogged || table.comment !== null) return
    const object = nameOf(table)
    const fix = `alter table ${qualified(table)} set logged;`
    yield { object, message: `${object} is unlogged: its rows do not survive a crash`, position: table.position, fix }
  },
})
