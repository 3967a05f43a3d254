import { bodyTrees } from '../parse/references.ts'
import { walkTree } from '../parse/walk.ts'
import type { Plan, PlannedStatement } from '../plan/plan.ts'

/**
 * True when an SQL function names a table or view that the plan makes behind it: PostgreSQL would refuse its body when
 * it is created, so the script has to put that check off.
 */
export function needsLateBodies(plan: Plan): boolean {
  const planned = plan.sections.flatMap((section) => section.statements)
  const later = new Set(planned.flatMap(createdNames))
  for (const statement of planned) {
    for (const name of createdNames(statement)) later.delete(name)
    if (isSqlFunction(statement) && namesAny(bodyTrees(statement), later)) return true
  }
  return false
}

function createdNames({ node }: PlannedStatement): string[] {
  const relation =
    'CreateStmt' in node
      ? node.CreateStmt.relation
      : 'ViewStmt' in node
        ? node.ViewStmt.view
        : 'CreateTableAsStmt' in node
          ? node.CreateTableAsStmt.into?.rel
          : 'CreateSeqStmt' in node
            ? node.CreateSeqStmt.sequence
            : undefined
  if (relation) return [`table ${relation.schemaname}.${relation.relname}`]
  if (!('CreateFunctionStmt' in node)) return []
  const names = (node.CreateFunctionStmt.funcname ?? []).map((name) => ('String' in name ? name.String.sval : ''))
  return [`function ${names.join('.')}`]
}

function isSqlFunction({ node }: PlannedStatement): boolean {
  if (!('CreateFunctionStmt' in node)) return false
  return (node.CreateFunctionStmt.options ?? []).some(
    (option) =>
      'DefElem' in option &&
      option.DefElem.defname === 'language' &&
      option.DefElem.arg !== undefined &&
      'String' in option.DefElem.arg &&
      option.DefElem.arg.String.sval === 'sql',
  )
}

function namesAny(trees: unknown[], names: Set<string>): boolean {
  let found = false
  for (const tree of trees) {
    walkTree(tree, (tag, content) => {
      if (tag === 'RangeVar')
        found ||= names.has(`table ${String(content['schemaname'])}.${String(content['relname'])}`)
      if (tag === 'FuncCall') {
        const path = content['funcname'] as { String?: { sval?: string } }[]
        found ||= names.has(`function ${path.map((name) => name.String?.sval ?? '').join('.')}`)
      }
    })
  }
  return found
}
