import { parseRaw, type Node } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'
import { UNDECIDED, type Known } from '../evaluate/env.ts'
import { attempt, decided } from '../evaluate/expression.ts'
import { bodyOf, callsChange, routineMayChange, routines } from '../evaluate/may-change.ts'
import { evaluateQuery } from '../evaluate/query.ts'
import { textOf, Undecidable, undecided } from '../evaluate/value.ts'
import { valueAs } from '../evaluate/value-as.ts'
import type { Routine } from '../model.ts'
import { markUnknown, type Fold } from './fold.ts'
import { routineNamed } from './names.ts'
import { environment, foldText, newRun, note, queryNode, Raised, type End, type Run } from './run.ts'

/** What SELECT and CALL do by the functions that they call. */
export function runCalls(fold: Fold, tree: Node): void {
  runQueryText(newRun(fold, 'call', null), tree)
}

export function runQuery(run: Run, text: string): End {
  const node = queryNode(text)
  if (node) runQueryText(run, node)
  return 'next'
}

/** Runs a query for the functions that it calls. */
function runQueryText(run: Run, node: Node): void {
  if ('CallStmt' in node && node.CallStmt.funccall) return runCall(run, node.CallStmt.funccall)
  if (!('SelectStmt' in node)) return foldNode(run, node)
  const names = calledNames(run.fold, node)
  if (names.length === 0) return
  try {
    evaluateQuery(node.SelectStmt, environment(run))
  } catch (error) {
    if (!(error instanceof Undecidable)) throw error
    if (error instanceof Raised) return
    for (const name of names) {
      if (!callMayChange(run.fold, name)) continue
      const isKnown = routines(run.fold, name).length > 0
      markUnknown(run.fold, `call of ${name}${isKnown ? `: ${error.message}` : ''}`)
    }
  }
}

function foldNode(run: Run, node: Node): void {
  note(run, Object.keys(node)[0] ?? '')
}

function runCall(run: Run, node: Extract<Node, { FuncCall: unknown }>['FuncCall']): void {
  const env = environment(run)
  const answer = env.call(
    path(node.funcname),
    (node.args ?? []).map((arg) => attempt(arg, env)),
    new Map(),
  )
  if (answer === undefined) markUnknown(run.fold, `call of ${path(node.funcname).join('.')}`)
}

/** Names of functions in a tree that are not PostgreSQL's own. */
function calledNames(fold: Fold, tree: unknown): string[] {
  const found = new Set<string>()
  walkCalls(tree, (names) => {
    if (names.length > 1 && names[0] === 'pg_catalog') return
    const { key } = routineNamed(fold, names)
    if (names.length > 1 || routines(fold, key).length > 0 || fold.options.effects?.[key]) found.add(key)
  })
  return [...found]
}

function walkCalls(value: unknown, visit: (names: string[]) => void): void {
  if (typeof value !== 'object' || value === null) return
  if (Array.isArray(value)) return value.forEach((item) => walkCalls(item, visit))
  const tree = value as Record<string, unknown>
  for (const key in tree) {
    const child = tree[key]
    if (key === 'FuncCall') visit(path((child as { funcname?: unknown }).funcname))
    walkCalls(child, visit)
  }
}

/** A function that the files do not make may do anything. */
function callMayChange(fold: Fold, name: string): boolean {
  const own = routines(fold, name)
  return own.length === 0 || own.some((routine) => routineMayChange(fold, routine))
}

/** Runs a function with a known effect or one of the files; undefined when it is neither. */
export function call(run: Run, names: string[], args: Known[], named: ReadonlyMap<string, Known>): Known | undefined {
  if (names.length > 1 && names[0] === 'pg_catalog') return undefined
  const { fold } = run
  const { key } = routineNamed(fold, names)
  const effect = fold.options.effects?.[key]
  if (effect) {
    const texts = [...args, ...named.values()].map((arg) => textOf(decided(arg, 'an argument')))
    const text = effect(texts, fold.catalog)
    if (text !== null) foldText(run, text)
    return null
  }
  const count = args.length + named.size
  const candidates = routines(fold, key).filter((own) => accepts(own, count))
  const [routine] = candidates
  if (!routine) return undefined
  if (candidates.length > 1) return undecided(`one of several ${key}`)
  return callRoutine(run, key, routine, args, named)
}

/** How deep functions may call each other. */
const DEPTH = 20

function accepts({ argumentTypes, arguments: text }: Routine, count: number): boolean {
  const optional = (text.match(/ DEFAULT /g) ?? []).length
  return count <= argumentTypes.length && count >= argumentTypes.length - optional
}

function callRoutine(run: Run, key: string, routine: Routine, args: Known[], named: ReadonlyMap<string, Known>): Known {
  const { fold } = run
  if (!routineMayChange(fold, routine) && routine.returns === 'void') return null
  if (fold.depth >= DEPTH) return undecided(`${key} calls itself too often`)
  const what = run.what === 'call' ? `call of ${key}` : run.what
  const inner = newRun(fold, what, null, run.budget)
  bindArguments(inner, routine, args, named)
  const { searchPath } = fold
  fold.searchPath = pathOf(routine) ?? searchPath
  fold.depth++
  try {
    runRoutine(inner, routine)
  } finally {
    fold.depth--
    fold.searchPath = searchPath
  }
  return inner.result
}

function runRoutine(run: Run, routine: Routine): void {
  if (routine.language === 'sql') run.result = runSqlBody(run, routine)
  else if (routine.language === 'plpgsql') {
    const body = bodyOf(routine)
    if (body) run.fold.interpreter.body(run, body)
    else note(run, 'its body does not parse')
  } else run.result = UNDECIDED
}

/** The search path of a function with a SET clause. */
function pathOf({ settings }: Routine): string[] | null {
  const setting = settings.find((own) => own.startsWith('search_path='))
  if (setting === undefined) return null
  const names = setting
    .slice('search_path='.length)
    .split(',')
    .map((name) => name.trim().replace(/^"(.*)"$/, '$1'))
  return names.filter((name) => name !== '' && name !== 'pg_catalog' && name !== 'pg_temp' && name !== '$user')
}

function bindArguments(run: Run, routine: Routine, args: Known[], named: ReadonlyMap<string, Known>): void {
  const { argumentTypes: types } = routine
  for (const [n, { name = '', defexpr }] of inputsOf(routine.arguments).entries()) {
    const given = n < args.length ? args[n] : named.get(name)
    const value = given === undefined && defexpr ? attempt(defexpr, environment(run)) : (given ?? null)
    const held = valueAs(run.fold, types[n] ?? '', value)
    run.variables.set(`$${n + 1}`, held)
    if (name !== '') run.variables.set(name, held)
  }
}

type Parameter = Extract<Node, { FunctionParameter: unknown }>['FunctionParameter']

const inputs = new Map<string, readonly Parameter[]>()

/** The parameters of a routine that take an argument. */
function inputsOf(text: string): readonly Parameter[] {
  const known = inputs.get(text)
  if (known) return known
  const parsed = parseRaw(`create function f(${text}) returns void language sql as ''`)
  const [statement] = Array.isArray(parsed) ? parsed : []
  const items =
    statement && 'CreateFunctionStmt' in statement.node ? (statement.node.CreateFunctionStmt.parameters ?? []) : []
  const parameters = items
    .flatMap((item) => ('FunctionParameter' in item ? item.FunctionParameter : []))
    .filter(({ mode }) => mode !== 'FUNC_PARAM_OUT' && mode !== 'FUNC_PARAM_TABLE')
  inputs.set(text, parameters)
  return parameters
}

/** The statements of an SQL function; its result is that of the last one. */
function runSqlBody(run: Run, { body }: Routine): Known {
  if (/^(return|begin\s+atomic)\b/i.test(body)) return UNDECIDED
  const parsed = parseRaw(body)
  let result: Known = null
  for (const { node } of Array.isArray(parsed) ? parsed : []) {
    const [tag = ''] = Object.keys(node)
    if ('SelectStmt' in node) result = resultOf(run, node)
    else if (!/^(Insert|Update|Delete|Merge)Stmt$/.test(tag)) foldText(run, body)
    // a body of DDL is folded as a whole
    if (!('SelectStmt' in node) && !/^(Insert|Update|Delete|Merge)Stmt$/.test(tag)) return null
  }
  return result
}

function resultOf(run: Run, node: Extract<Node, { SelectStmt: unknown }>): Known {
  try {
    const [row] = evaluateQuery(node.SelectStmt, environment(run))
    return row ? ([...row.values()][0] ?? null) : null
  } catch (error) {
    if (!(error instanceof Undecidable) || error instanceof Raised) throw error
    if (callsChange(run.fold, node)) note(run, error.message)
    return UNDECIDED
  }
}
