import { relationKey } from '../../history/names.ts'
import { viewReadsColumn } from '../../history/view-columns.ts'
import type { LintRule } from '../../rule.ts'

export const viewOnDroppedColumn: LintRule = {
  id: 'view-on-dropped-column',
  family: 'history',
  severity: 'error',
  effect: 'PostgreSQL refuses to drop the column, or with CASCADE drops the view and what reads it.',
  instead: 'Drop the view first and create it again without the column.',
  on: ['AlterTableStmt', 'ViewStmt'],
  *check(statement, { catalog }) {
    const { node } = statement
    if ('AlterTableStmt' in node) {
      const table = relationKey(node.AlterTableStmt.relation)
      for (const command of node.AlterTableStmt.cmds ?? []) {
        if (!('AlterTableCmd' in command) || command.AlterTableCmd.subtype !== 'AT_DropColumn') continue
        const { name = '' } = command.AlterTableCmd
        for (const [key, view] of catalog.views) {
          if (!viewReadsColumn(view, table, name, catalog)) continue
          yield {
            object: `${table}.${name}`,
            message: `view '${key}' reads column '${table}.${name}', which is dropped here`,
            related: view.position ? [{ ...view.position, message: 'the view is created here' }] : [],
          }
        }
      }
    }
  },
}
