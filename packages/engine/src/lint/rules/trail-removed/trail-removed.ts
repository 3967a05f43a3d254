import type { Table, Trigger } from '../../../catalog/model.ts'
import { path } from '../../../parse/references.ts'
import type { ParsedStatement } from '../../../parse/parse-sql.ts'
import { walkTree } from '../../../parse/walk.ts'
import type { VerifyPolicy } from '../../../verify/policy.ts'
import { matchesName } from '../../../verify/match-name.ts'
import { isCalled, laterStatements } from '../../destruction/later-statements.ts'
import { relationKey, typeKey } from '../../history/names.ts'
import { alterSteps } from '../../locks/alter-steps.ts'
import type { LintRule } from '../../rule.ts'

export const trailRemoved: LintRule = {
  id: 'trail-removed',
  family: 'policy',
  severity: 'error',
  effect: 'From here on rows are changed without a trace, or evidence can be changed and removed.',
  instead: 'Leave the trigger on; where its function changes, replace it in the same transaction.',
  on: ['DropStmt', 'AlterTableStmt'],
  *check(statement, moment) {
    const { catalog, policy, file } = moment
    for (const { table: name, trigger, verb } of removals(statement)) {
      const table = catalog.tables.get(name)
      if (!table || moment.isNew(name)) continue
      for (const own of triggersOf(table, trigger)) {
        const role = roleOf(own, policy)
        if (role === null) continue
        if (laterStatements(statement, file).some((other) => restores(other, name, own, policy))) continue
        yield {
          object: name,
          message: `trigger '${own.name}' of '${name}', which ${role}, is ${verb}`,
          related: own.position ? [{ ...own.position, message: 'created here' }] : [],
        }
      }
    }
  },
}

interface Removal {
  readonly table: string
  /** Null for every trigger of the table. */
  readonly trigger: string | null
  readonly verb: 'dropped' | 'disabled'
}

function removals(statement: ParsedStatement): Removal[] {
  const { node } = statement
  if ('DropStmt' in node) {
    if (node.DropStmt.removeType !== 'OBJECT_TRIGGER') return []
    return (node.DropStmt.objects ?? []).map((object) => {
      const names = path('List' in object ? object.List.items : [])
      return { table: typeKey(names.slice(0, -1)), trigger: names.at(-1) ?? '', verb: 'dropped' }
    })
  }
  return alterSteps(statement).flatMap(({ table, command }): Removal[] => {
    const { subtype = '', name = '' } = command
    if (subtype === 'AT_DisableTrig') return [{ table, trigger: name, verb: 'disabled' }]
    return /^AT_DisableTrig(All|User)$/.test(subtype) ? [{ table, trigger: null, verb: 'disabled' }] : []
  })
}

function triggersOf({ triggers }: Table, name: string | null): Trigger[] {
  return [...triggers.values()].filter((trigger) => name === null || trigger.name === name)
}

function roleOf(trigger: Trigger, policy: VerifyPolicy): string | null {
  if (trigger.function === policy.appendOnlyFunction) return 'keeps its rows from being changed'
  const isAudit =
    trigger.name in policy.auditTriggers ||
    policy.auditFunctions.some((pattern) => matchesName(pattern, trigger.function))
  return isAudit ? 'records its changes' : null
}

/** The same trigger again, another that calls the same function, or a call into the schema that makes such triggers. */
function restores(statement: ParsedStatement, table: string, trigger: Trigger, policy: VerifyPolicy): boolean {
  const { node } = statement
  if ('CreateTrigStmt' in node) {
    const made = node.CreateTrigStmt
    if (!isCalled(relationKey(made.relation), table)) return false
    return made.trigname === trigger.name || isCalled(typeKey(path(made.funcname)), trigger.function)
  }
  if ('SelectStmt' in node) return callsInto(policy.auditSchema, node)
  return alterSteps(statement).some(({ table: other, command: { subtype = '', name } }) => {
    if (!isCalled(other, table)) return false
    return (
      /^AT_EnableTrig(All|User)$/.test(subtype) || (/^AT_Enable(Always)?Trig$/.test(subtype) && name === trigger.name)
    )
  })
}

function callsInto(schema: string, tree: object): boolean {
  let found = false
  walkTree(tree, (tag, content) => {
    if (tag === 'FuncCall') found ||= path(content['funcname'])[0] === schema
  })
  return found
}
