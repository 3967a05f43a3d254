import type { Column, Table } from '../../catalog/model.ts'
import { baseTypeOf } from '../attack/made-up.ts'
import { nameOf } from '../context.ts'
import type { SensitiveColumn } from '../policy.ts'
import { defineRule } from '../rule.ts'

export const sensitiveColumn = defineRule<{ table: Table; column: Column; kind: SensitiveColumn }>({
  id: 'sensitive-column',
  family: 'audit',
  severity: 'error',
  effect: 'Every copy, log, replica and backup of the database shows the value to whoever opens it.',
  instead: 'Keep the encrypted value (bytea, jsonb) and a keyed hash to look it up; do not keep what is not needed.',
  *subjects(context) {
    const kinds = context.policy.sensitiveColumns.map((kind) => ({ kind, pattern: new RegExp(kind.match, 'i') }))
    for (const table of context.tables) {
      for (const column of table.columns.values()) {
        const found = kinds.find(({ pattern }) => pattern.test(column.name))
        if (found) yield { table, column, kind: found.kind }
      }
    }
  },
  *check({ table, column, kind }, context) {
    const types = kind.types ?? ['bytea', 'jsonb']
    if (types.includes(baseTypeOf(column.type, context.catalog))) return
    const object = `${nameOf(table)}.${column.name}`
    const what =
      types.length === 0 ? `${object} may not be there` : `${object} is ${column.type}, not ${types.join(' or ')}`
    yield { object, message: `${what}: ${kind.reason}`, position: column.position ?? table.position }
  },
})
