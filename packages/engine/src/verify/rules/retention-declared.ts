import type { Table } from '../../catalog/model.ts'
import { classOf, isProtected, nameOf, retentionOf } from '../context.ts'
import { defineRule } from '../rule.ts'

export const retentionDeclared = defineRule<Table>({
  id: 'retention-declared',
  family: 'documentation',
  severity: 'warning',
  effect: 'Nobody knows when the rows may go: they are kept for ever, or removed before the law allows it.',
  instead: "Say it in the comment ('class=..;retention=10y;..') or in the policy: { match, retention: '10y' }.",
  *subjects(context) {
    for (const table of context.tables) if (table.partitionOf === null && isProtected(table, context)) yield table
  },
  *check(table, context) {
    if (retentionOf(table, context)) return
    const object = nameOf(table)
    const message = `${object} (class=${classOf(table, context)}) does not say how long its rows are kept`
    yield { object, message, position: table.position }
  },
})
