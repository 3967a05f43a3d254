import type { Column, Table } from '../../catalog/model.ts'
import { nameOf } from '../context.ts'
import { defineRule } from '../rule.ts'

export const noTimestampWithoutZone = defineRule<{ table: Table; column: Column }>({
  id: 'no-timestamp-without-zone',
  family: 'structure',
  severity: 'error',
  effect: 'The same value means another instant on a server with another time zone.',
  instead: 'timestamptz; a wall-clock time without a date is time, a day is date.',
  *subjects(context) {
    for (const table of context.tables) for (const column of table.columns.values()) yield { table, column }
  },
  *check({ table, column }) {
    if (!/^timestamp(\(\d\))? without time zone|^tsrange|^tsmultirange/.test(column.type)) return
    const object = `${nameOf(table)}.${column.name}`
    yield { object, message: `${object} is ${column.type}`, position: column.position ?? table.position }
  },
})
