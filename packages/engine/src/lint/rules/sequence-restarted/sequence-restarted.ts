import { path } from '../../../parse/references.ts'
import { relationKey } from '../../history/names.ts'
import { existingSteps } from '../../locks/alter-steps.ts'
import { isNewObject } from '../../locks/is-new-object.ts'
import type { LintRule } from '../../rule.ts'

export const sequenceRestarted: LintRule = {
  id: 'sequence-restarted',
  family: 'destruction',
  severity: 'warning',
  effect: 'Numbers that are taken come again: inserts fail on their key, or two things have one number.',
  instead: "Restart it behind the greatest number in use: select setval('SEQUENCE', max(id)) from TABLE.",
  on: ['AlterSeqStmt', 'AlterTableStmt', 'SelectStmt'],
  *check(statement, moment) {
    const { node } = statement
    if ('AlterSeqStmt' in node && (node.AlterSeqStmt.options ?? []).some(isRestart)) {
      const name = relationKey(node.AlterSeqStmt.sequence)
      if (!isNewObject(moment.catalog.sequences.get(name)?.position, moment))
        yield { object: name, message: `sequence '${name}' starts again` }
    }
    for (const { table, command, start } of existingSteps(statement, moment)) {
      const options = command.def && 'List' in command.def ? (command.def.List.items ?? []) : []
      if (command.subtype === 'AT_SetIdentity' && options.some(isRestart))
        yield {
          at: start,
          object: `${table}.${command.name}`,
          message: `the numbers of '${command.name}' of '${table}' start again`,
        }
    }
    const set = 'SelectStmt' in node ? constantSetval(node.SelectStmt.targetList ?? []) : null
    const name = set?.includes('.') ? set : `public.${set}`
    if (set !== null && !isNewObject(moment.catalog.sequences.get(name)?.position, moment))
      yield { object: name, message: `sequence '${name}' is set to a fixed number` }
  },
}

function isRestart(item: object): boolean {
  return 'DefElem' in item && (item.DefElem as { defname?: string }).defname === 'restart'
}

/** The sequence of `setval('name', 42)`; null when the number is worked out. */
function constantSetval(targets: readonly object[]): string | null {
  for (const target of targets) {
    const call = (target as { ResTarget?: { val?: { FuncCall?: { funcname?: unknown; args?: object[] } } } }).ResTarget
      ?.val?.FuncCall
    if (!call || path(call.funcname).at(-1) !== 'setval') continue
    const [sequence, value] = call.args ?? []
    const text = literal(sequence)
    if (text !== undefined && value && 'A_Const' in value) return text
  }
  return null
}

function literal(node: object | undefined): string | undefined {
  return node && 'A_Const' in node ? (node.A_Const as { sval?: { sval?: string } }).sval?.sval : undefined
}
