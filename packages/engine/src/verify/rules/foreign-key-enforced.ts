import type { Constraint, Table } from '../../catalog/model.ts'
import { quoteKey } from '../../print/sql-text.ts'
import { nameOf } from '../context.ts'
import { defineRule } from '../rule.ts'

export const foreignKeyEnforced = defineRule<{ table: Table; key: Constraint }>({
  id: 'foreign-key-enforced',
  family: 'structure',
  severity: 'error',
  effect:
    'Rows may point to rows that are not there, or to those of another tenant, and the definition still looks sound.',
  instead:
    'alter table .. enable trigger all; on each table that is named. Then look for rows that came in between: what was ' +
    'validated is not looked at again.',
  *subjects({ tables }) {
    for (const table of tables)
      for (const key of table.constraints.values()) if (key.kind === 'foreign key') yield { table, key }
  },
  *check({ table, key }) {
    const { disabledOn = [] } = key
    if (disabledOn.length === 0) return
    const object = nameOf(table)
    yield {
      object,
      message: `foreign key ${key.name} of ${object} is not enforced: its triggers on ${disabledOn.join(', ')} are off`,
      position: key.position ?? table.position,
      fix: disabledOn.map((name) => `alter table ${quoteKey(name)} enable trigger all;`).join('\n'),
    }
  },
})
