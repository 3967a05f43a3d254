import { path } from '../../../parse/references.ts'
import { isCalled, laterStatements } from '../../destruction/later-statements.ts'
import { relationKey, typeKey } from '../../history/names.ts'
import type { LintRule } from '../../rule.ts'

export const policyDropped: LintRule = {
  id: 'policy-dropped',
  family: 'tenancy',
  severity: 'error',
  effect:
    'Without a restrictive policy rows open that were closed; without the permissive one nobody sees a row any more.',
  instead: 'Use ALTER POLICY, or create its successor under the same name in the same transaction.',
  on: ['DropStmt'],
  *check(statement, moment) {
    const { node } = statement
    if (!('DropStmt' in node) || node.DropStmt.removeType !== 'OBJECT_POLICY') return
    for (const object of node.DropStmt.objects ?? []) {
      const names = path('List' in object ? object.List.items : [])
      const [table, name = ''] = [typeKey(names.slice(0, -1)), names.at(-1)]
      const policy = moment.catalog.tables.get(table)?.policies.get(name)
      if (!policy || moment.isNew(table)) continue
      const isReplaced = laterStatements(statement, moment.file).some((later) => {
        if (!('CreatePolicyStmt' in later.node)) return false
        const made = later.node.CreatePolicyStmt
        const isSuccessor = made.policy_name === name || made.permissive === policy.permissive
        return isSuccessor && isCalled(relationKey(made.table), table)
      })
      if (isReplaced) continue
      yield {
        object: table,
        message: `${policy.permissive ? 'permissive' : 'restrictive'} policy '${name}' of '${table}' is dropped and none takes its place`,
        related: policy.position ? [{ ...policy.position, message: 'created here' }] : [],
      }
    }
  },
}
