import { existingSteps } from '../../locks/alter-steps.ts'
import type { LintRule } from '../../rule.ts'

export const triggersDisabled: LintRule = {
  id: 'triggers-disabled',
  family: 'destruction',
  severity: 'error',
  effect:
    'Rows are written without any rule, trail or foreign key being looked at: what breaks then is found much later.',
  instead: 'Disable the one trigger that is in the way, by its name, and enable it again in the same transaction.',
  on: ['AlterTableStmt', 'VariableSetStmt', 'SelectStmt'],
  *check(statement, moment) {
    for (const { table, command, start } of existingSteps(statement, moment)) {
      const { subtype } = command
      if (subtype !== 'AT_DisableTrigAll' && subtype !== 'AT_DisableTrigUser') continue
      const which = subtype === 'AT_DisableTrigAll' ? 'and foreign keys of' : 'of'
      yield { at: start, object: table, message: `all triggers ${which} '${table}' are disabled` }
    }
    if (setsReplica(statement.node))
      yield {
        object: null,
        message: 'session_replication_role = replica disables the triggers and foreign keys of every table',
      }
  },
}

function setsReplica(node: object): boolean {
  const text = JSON.stringify(node)
  return text.includes('session_replication_role') && text.includes('"replica"') && !('CreateFunctionStmt' in node)
}
