import type { SourcePosition } from '../../catalog/model.ts'
import type { ParsedStatement } from '../../parse/parse-sql.ts'
import { path } from '../../parse/references.ts'
import type { LintedFile } from '../rule.ts'

export interface Setting extends SourcePosition {
  readonly value: string
}

type Settings = ReadonlyMap<string, Setting>

interface State {
  now: Settings
  readonly known: WeakMap<ParsedStatement, Settings>
}

const states = new WeakMap<LintedFile, State>()

/** What SET and set_config have said in the file, this statement included. Must be asked for every statement of a file, in order. */
export function sessionSettings(statement: ParsedStatement, file: LintedFile): Settings {
  let state = states.get(file)
  if (!state) {
    state = { now: new Map(), known: new WeakMap() }
    states.set(file, state)
  }
  const known = state.known.get(statement)
  if (known) return known
  const own = settingOf(statement)
  if (own) {
    const { line, column } = statement
    state.now = new Map(state.now).set(own.name, { value: own.value, file: file.file, line, column })
  }
  state.known.set(statement, state.now)
  return state.now
}

function settingOf({ node }: ParsedStatement): { name: string; value: string } | null {
  if ('VariableSetStmt' in node) {
    const { name = '', args = [] } = node.VariableSetStmt
    return args[0] ? { name: name.toLowerCase(), value: constant(args[0]) } : null
  }
  if (!('SelectStmt' in node)) return null
  const [target] = node.SelectStmt.targetList ?? []
  const call = target && 'ResTarget' in target ? target.ResTarget.val : undefined
  if (!call || !('FuncCall' in call) || path(call.FuncCall.funcname).at(-1) !== 'set_config') return null
  const [name, value] = (call.FuncCall.args ?? []).map(constant)
  return name ? { name: name.toLowerCase(), value: value ?? '' } : null
}

function constant(node: object): string {
  const { sval, ival } = (node as { A_Const?: { sval?: { sval?: string }; ival?: { ival?: number } } }).A_Const ?? {}
  return ival ? String(ival.ival ?? 0) : (sval?.sval ?? '')
}
