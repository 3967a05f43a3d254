import type { ParsedStatement } from '../../../parse/parse-sql.ts'
import { droppedObjects } from '../../destruction/dropped-objects.ts'
import { isCalled, laterStatements } from '../../destruction/later-statements.ts'
import { relationKey } from '../../history/names.ts'
import { alterSteps, existingSteps } from '../../locks/alter-steps.ts'
import type { LintRule } from '../../rule.ts'

export const triggerRemoved: LintRule = {
  id: 'trigger-removed',
  family: 'destruction',
  severity: 'warning',
  effect: 'What the trigger did (a rule, a trail, a copy) no longer happens, and nobody is told.',
  instead:
    'Create its successor in the same file; a trigger that is disabled for bulk work is enabled again in the same transaction.',
  on: ['DropStmt', 'AlterTableStmt'],
  *check(statement, moment) {
    for (const { kind, name, position } of droppedObjects(statement, moment)) {
      const dot = name.lastIndexOf('.')
      const table = name.slice(0, dot)
      // Any new trigger of the table is taken for its successor: names change with what they do.
      if (
        kind !== 'trigger' ||
        moment.isNew(table) ||
        laterStatements(statement, moment.file).some((other) => createsTrigger(other, table))
      )
        continue
      yield {
        object: table,
        message: `trigger '${name.slice(dot + 1)}' of '${table}' is dropped and none takes its place`,
        related: position ? [{ ...position, message: 'created here' }] : [],
      }
    }
    for (const { table, command, start } of existingSteps(statement, moment)) {
      const { subtype, name = '' } = command
      if (subtype !== 'AT_DisableTrig') continue
      const isBack = laterStatements(statement, moment.file)
        .flatMap(alterSteps)
        .some((other) => isCalled(other.table, table) && enables(other.command, name))
      if (!isBack) yield { at: start, object: table, message: `trigger '${name}' of '${table}' stays disabled` }
    }
  },
}

function createsTrigger({ node }: ParsedStatement, table: string): boolean {
  return 'CreateTrigStmt' in node && isCalled(relationKey(node.CreateTrigStmt.relation), table)
}

function enables({ subtype = '', name }: { subtype?: string; name?: string }, trigger: string): boolean {
  if (subtype === 'AT_EnableTrigAll' || subtype === 'AT_EnableTrigUser') return true
  return /^AT_Enable(Always|Replica)?Trig$/.test(subtype) && name === trigger
}
