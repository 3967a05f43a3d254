import { existingSteps } from '../../locks/alter-steps.ts'
import type { LintRule } from '../../rule.ts'

export const loggedChanged: LintRule = {
  id: 'logged-changed',
  family: 'locks',
  severity: 'error',
  effect:
    'The table is written anew while readers and writers wait; an unlogged table is empty after a crash and on every replica.',
  instead: 'Create a table of the kind that is wanted, copy the rows in batches, then swap the names.',
  on: ['AlterTableStmt'],
  *check(statement, moment) {
    for (const { command, table, start } of existingSteps(statement, moment)) {
      if (command.subtype !== 'AT_SetLogged' && command.subtype !== 'AT_SetUnLogged') continue
      const unlogged = command.subtype === 'AT_SetUnLogged'
      if (moment.catalog.tables.get(table)?.unlogged === unlogged) continue
      yield {
        at: start,
        object: table,
        message: unlogged
          ? `'${table}' is written anew and loses its rows at the next crash`
          : `'${table}' is written anew and into the log`,
      }
    }
  },
}
