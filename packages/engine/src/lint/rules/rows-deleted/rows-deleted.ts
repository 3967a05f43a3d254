import { relationKey } from '../../history/names.ts'
import type { LintRule } from '../../rule.ts'

export const rowsDeleted: LintRule = {
  id: 'rows-deleted',
  family: 'destruction',
  severity: 'error',
  effect: 'All rows of the table are lost, with those of tables that refer to it by ON DELETE CASCADE.',
  instead: 'Say which rows go: delete from .. where ..',
  on: ['DeleteStmt'],
  *check({ node }, moment) {
    if (!('DeleteStmt' in node) || (node.DeleteStmt.whereClause && !isTrue(node.DeleteStmt.whereClause))) return
    const table = relationKey(node.DeleteStmt.relation)
    if (!moment.isNew(table)) yield { object: table, message: `every row of '${table}' is deleted` }
  },
}

function isTrue(node: object): boolean {
  return 'A_Const' in node && (node.A_Const as { boolval?: { boolval?: boolean } }).boolval?.boolval === true
}
