import type { LintRule } from '../../rule.ts'

export const databaseDropped: LintRule = {
  id: 'database-dropped',
  family: 'destruction',
  severity: 'error',
  effect: 'All rows of the database are lost.',
  instead: 'Leave databases to those who run the server: a migration changes the one that it runs in.',
  on: ['DropdbStmt'],
  *check({ node }) {
    if (!('DropdbStmt' in node)) return
    const { dbname = '' } = node.DropdbStmt
    yield { object: dbname, message: `database '${dbname}' is dropped` }
  },
}
