import type { Table } from '../../catalog/model.ts'
import { nameOf } from '../context.ts'
import { defineRule } from '../rule.ts'

export const historyParity = defineRule<{ table: Table; history: Table }>({
  id: 'history-parity',
  family: 'audit',
  severity: 'error',
  effect: 'Former versions of rows lose a column, or the trigger that copies them fails and with it every change.',
  instead: 'Give the history table the same column and type in the migration that changes the table itself.',
  *subjects({ tables, catalog, policy }) {
    if (policy.historySuffix === '') return
    for (const table of tables) {
      const history = catalog.tables.get(`${nameOf(table)}${policy.historySuffix}`)
      if (history && keepsVersions(history, table)) yield { table, history }
    }
  },
  *check({ table, history }) {
    const object = nameOf(history)
    for (const { name, type, position } of table.columns.values()) {
      const own = history.columns.get(name)
      if (own?.type === type) continue
      const what = own
        ? `has '${name}' as ${own.type}, ${nameOf(table)} as ${type}`
        : `lacks '${name}' of ${nameOf(table)}`
      yield {
        object: own ? `${object}.${name}` : object,
        message: `${object} ${what}`,
        position: own?.position ?? history.position,
        related: [{ position: position ?? table.position, message: `the column of ${nameOf(table)}` }],
      }
    }
  },
})

/** Copies of rows, not a list of events that happens to be called history: it has most columns of the table. */
function keepsVersions(history: Table, table: Table): boolean {
  const shared = [...table.columns.keys()].filter((name) => history.columns.has(name))
  return shared.length * 2 > table.columns.size
}
