import type { Node } from '../../parse/parser.ts'
import type { Routine } from '../model.ts'
import type { Fold } from './fold.ts'
import { routineKey } from './grants.ts'
import { estimate, settingText } from './routines.ts'

/** ALTER FUNCTION and ALTER PROCEDURE but for name, schema and owner. */
export function alterFunction(
  fold: Fold,
  node: Extract<Node, { AlterFunctionStmt: unknown }>['AlterFunctionStmt'],
): void {
  const key = node.func ? routineKey(fold, node.func) : undefined
  const routine = fold.catalog.functions.get(key ?? '')
  if (key === undefined || !routine) return
  let changed = routine
  for (const action of node.actions ?? [])
    if ('DefElem' in action) changed = { ...changed, ...changedBy(changed, action.DefElem) }
  fold.catalog.functions.set(key, changed)
}

type DefElem = Extract<Node, { DefElem: unknown }>['DefElem']

function changedBy(routine: Routine, { defname, arg }: DefElem): Partial<Routine> {
  const flag = arg !== undefined && 'Boolean' in arg && arg.Boolean.boolval === true
  const text = arg && 'String' in arg ? (arg.String.sval ?? '') : ''
  switch (defname) {
    case 'volatility':
      return { volatility: text as Routine['volatility'] }
    case 'parallel':
      return { parallel: text as Routine['parallel'] }
    case 'strict':
      return { strict: flag }
    case 'security':
      return { securityDefiner: flag }
    case 'leakproof':
      return { leakproof: flag }
    case 'cost':
      return { cost: estimate(arg, ['c', 'internal'].includes(routine.language) ? 1 : 100) }
    case 'rows':
      return { rows: estimate(arg, 1000) }
    case 'set':
      return arg && 'VariableSetStmt' in arg ? { settings: changedSettings(routine.settings, arg.VariableSetStmt) } : {}
    default:
      return {}
  }
}

function changedSettings(
  settings: string[],
  node: Extract<Node, { VariableSetStmt: unknown }>['VariableSetStmt'],
): string[] {
  if (node.kind === 'VAR_RESET_ALL') return []
  const text = settingText(node)
  const name = text.slice(0, text.indexOf('='))
  const others = settings.filter((own) => !own.startsWith(`${name}=`))
  return node.kind === 'VAR_RESET' || node.kind === 'VAR_SET_DEFAULT' ? others : [...others, text].toSorted()
}
