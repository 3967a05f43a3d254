import { parseSqlNow } from '../../parse/parse-sql.ts'
import { parseRaw, type Node } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'
import { NotBound, UNDECIDED, type Env, type Known } from '../evaluate/env.ts'
import { attempt, decided, evaluate } from '../evaluate/expression.ts'
import { catches, failureOf } from '../evaluate/failures.ts'
import { bodyOf, callsChange, mayChange, routineMayChange, routines } from '../evaluate/may-change.ts'
import {
  isRecord,
  nested,
  plpgsqlBody,
  queryOf,
  targetNames,
  type Body,
  type ExceptionBlock,
  type Expression,
  type Statement,
  type Statements,
} from '../evaluate/plpgsql-tree.ts'
import { evaluateQuery, type ResultRow } from '../evaluate/query.ts'
import { arrayOf, isArray, textOf, toBoolean, Undecidable, undecided, type Value } from '../evaluate/value.ts'
import type { Routine } from '../model.ts'
import { applyStatement } from './apply-statement.ts'
import { markUnknown, type Fold } from './fold.ts'
import { routineNamed } from './names.ts'

/** Code under way: a DO block, a function or a procedure of the files. */
interface Run {
  readonly fold: Fold
  readonly variables: Map<string, Known>
  /** `do block`, `call of a.f`: how an unknown entry begins. */
  readonly what: string
  /** Line of the file that line 1 of the code is on; null for a function, which stands elsewhere. */
  readonly firstLine: number | null
  readonly budget: { left: number }
  /** Names of variables by their number. */
  names: readonly string[]
  result: Known
}

/** How a statement ends: on to the next, out of the loop, to its next turn, out of the code. */
type End = 'next' | 'exit' | 'continue' | 'return'

/** An error that the code raises, by its condition. */
class Raised extends Undecidable {
  readonly condition: string
  constructor(condition: string) {
    super(`${condition} is raised`)
    this.condition = condition
  }
}

const STEPS = 20_000
const DEPTH = 20

/** Folds a DO block: what it does to the schema where files and catalog decide that, unknown entries where they do not. */
export function runDo(fold: Fold, node: Extract<Node, { DoStmt: unknown }>['DoStmt']): void {
  const language = (node.args ?? []).find((arg) => 'DefElem' in arg && arg.DefElem.defname === 'language')
  const name =
    language && 'DefElem' in language && language.DefElem.arg && 'String' in language.DefElem.arg
      ? language.DefElem.arg.String.sval
      : 'plpgsql'
  if (name !== 'plpgsql') return markUnknown(fold, `do block in ${name}`)
  const body = plpgsqlBody(fold.statement.text)
  if (!body) return markUnknown(fold, 'do block: its body does not parse')
  const quote = fold.statement.text.search(/\$\w*\$|'/)
  const before = fold.statement.text.slice(0, Math.max(0, quote)).split('\n').length - 1
  const run = newRun(fold, 'do block', fold.position.line + before)
  runBody(run, body)
}

function newRun(fold: Fold, what: string, firstLine: number | null, budget = { left: STEPS }): Run {
  return { fold, what, firstLine, budget, variables: new Map(), names: [], result: null }
}

function runBody(run: Run, body: Body): void {
  run.names = body.variables.map(({ name }) => name)
  for (const { name, type, start } of body.variables) {
    if (run.variables.has(name)) continue
    const value = name === 'found' ? UNDECIDED : start === null ? null : attemptText(run, start)
    run.variables.set(name, type.endsWith('[]') && typeof value === 'string' ? arrayOf(value) : value)
  }
  try {
    runGuarded(run, body.statements, body.exceptions)
  } catch (error) {
    if (!(error instanceof Undecidable)) throw error
    // the code stops with an error, and with it the history
    if (!(error instanceof Raised)) note(run, error.message)
  }
}

function note(run: Run, reason: string): void {
  markUnknown(run.fold, `${run.what}: ${reason}`)
}

/** What SELECT and CALL do by the functions that they call. */
export function runCalls(fold: Fold, tree: Node): void {
  runQueryText(newRun(fold, 'call', null), tree)
}

function environment(run: Run): Env {
  return {
    fold: run.fold,
    variables: run.variables,
    rows: [],
    outer: null,
    ctes: new Map(),
    call: (names, args, named) => call(run, names, args, named),
  }
}

function attemptText(run: Run, text: string): Known {
  try {
    return attempt(expressionOf(text), environment(run))
  } catch (error) {
    if (error instanceof NotBound || error instanceof Undecidable) return UNDECIDED
    throw error
  }
}

/** Loops and functions meet the same text again and again. */
const expressions = new Map<string, Node | undefined>()

function expressionOf(text: string): Node | undefined {
  if (expressions.has(text)) return expressions.get(text)
  const parsed = parseRaw(`select ${text}`)
  const [statement] = Array.isArray(parsed) ? parsed : undecided(`expression ${text}`)
  const select = statement && 'SelectStmt' in statement.node ? statement.node.SelectStmt : undefined
  const [target] = select?.targetList ?? []
  const value = target && 'ResTarget' in target ? target.ResTarget.val : undefined
  const node: Node | undefined = select?.fromClause
    ? { SubLink: { subLinkType: 'EXPR_SUBLINK', subselect: { SelectStmt: select } } }
    : value
  if (expressions.size > 5_000) expressions.clear()
  expressions.set(text, node)
  return node
}

function valueOf(run: Run, expression: Expression): Value {
  return evaluate(expressionOf(queryOf(expression)), environment(run))
}

function runStatements(run: Run, statements: Statements): End {
  for (const statement of statements) {
    if (run.budget.left-- <= 0) return undecided('it takes too many steps')
    const end = runStatement(run, statement)
    if (end !== 'next') return end
  }
  return 'next'
}

/** A statement that cannot be told is noted where it may change the schema, and its variables become unknown. */
function runStatement(run: Run, statement: Statement): End {
  const { fold } = run
  const { position } = fold
  const [content] = Object.values(statement) as { lineno?: number }[]
  if (run.firstLine !== null && content?.lineno !== undefined)
    fold.position = { ...position, line: run.firstLine + content.lineno - 1 }
  try {
    return perform(run, statement)
  } catch (error) {
    if (!(error instanceof Undecidable) || error instanceof Raised) throw error
    for (const name of assigned([statement])) run.variables.set(name, UNDECIDED)
    if (mayChange(fold, [statement])) note(run, error.message)
    return 'next'
  } finally {
    fold.position = position
  }
}

function assigned(statements: Statements): string[] {
  return [...nested(statements)].flatMap((statement) => {
    const { PLpgSQL_stmt_assign: assign, PLpgSQL_stmt_execsql: sql, PLpgSQL_stmt_dynexecute: dynamic } = statement
    if (assign) return assignment(queryOf(assign.expr)).name ?? []
    return targetNames(sql?.target ?? dynamic?.target)
  })
}

function perform(run: Run, statement: Statement): End {
  if (statement.PLpgSQL_stmt_if) return runIf(run, statement.PLpgSQL_stmt_if)
  if (statement.PLpgSQL_stmt_case) return runCase(run, statement.PLpgSQL_stmt_case)
  if (statement.PLpgSQL_stmt_block) {
    const { body = [], exceptions } = statement.PLpgSQL_stmt_block
    return runGuarded(run, body, exceptions?.PLpgSQL_exception_block)
  }
  if (statement.PLpgSQL_stmt_execsql) return runSql(run, statement.PLpgSQL_stmt_execsql)
  if (statement.PLpgSQL_stmt_dynexecute) return runDynamic(run, statement.PLpgSQL_stmt_dynexecute)
  if (statement.PLpgSQL_stmt_perform) return runQuery(run, queryOf(statement.PLpgSQL_stmt_perform.expr))
  if (statement.PLpgSQL_stmt_call) return runQuery(run, queryOf(statement.PLpgSQL_stmt_call.expr))
  if (statement.PLpgSQL_stmt_assign) return runAssign(run, queryOf(statement.PLpgSQL_stmt_assign.expr))
  if (statement.PLpgSQL_stmt_exit) {
    const { cond, is_exit: isExit } = statement.PLpgSQL_stmt_exit
    if (cond && toBoolean(valueOf(run, cond)) !== true) return 'next'
    return isExit ? 'exit' : 'continue'
  }
  if (statement.PLpgSQL_stmt_return) {
    const { expr } = statement.PLpgSQL_stmt_return
    run.result = expr ? attemptText(run, queryOf(expr)) : null
    return 'return'
  }
  if (statement.PLpgSQL_stmt_raise) {
    const { elog_level: level = 0, condname } = statement.PLpgSQL_stmt_raise
    if (level >= 21) throw new Raised(condname ?? 'raise_exception')
    return 'next'
  }
  return runLoop(run, statement)
}

function runIf(run: Run, branch: NonNullable<Statement['PLpgSQL_stmt_if']>): End {
  const branches = [
    { cond: branch.cond, stmts: branch.then_body ?? [] },
    ...(branch.elsif_list ?? []).map(({ PLpgSQL_if_elsif: own }) => ({ cond: own.cond, stmts: own.stmts ?? [] })),
  ]
  for (const { cond, stmts } of branches) if (toBoolean(valueOf(run, cond)) === true) return runStatements(run, stmts)
  return runStatements(run, branch.else_body ?? [])
}

function runCase(run: Run, branch: NonNullable<Statement['PLpgSQL_stmt_case']>): End {
  const subject = branch.t_expr ? queryOf(branch.t_expr) : ''
  for (const { PLpgSQL_case_when: own } of branch.case_when_list ?? []) {
    const condition = queryOf(own.expr).replace(/"__Case__Variable_\d+__"/g, () => `(${subject})`)
    if (toBoolean(evaluate(expressionOf(condition), environment(run))) === true)
      return runStatements(run, own.stmts ?? [])
  }
  return runStatements(run, branch.else_stmts ?? [])
}

/** A block with handlers is done as a whole or not at all. */
function runGuarded(run: Run, statements: Statements, exceptions: ExceptionBlock | undefined): End {
  const handlers = (exceptions?.exc_list ?? []).map((own) => own.PLpgSQL_exception)
  if (handlers.length === 0) return runStatements(run, statements)
  const handlerOf = (condition: string) =>
    handlers.find((own) => own.conditions.some(({ PLpgSQL_condition: { condname } }) => catches(condname, condition)))
  const condition = firstFailure(run, statements)
  const handler = condition === null ? undefined : handlerOf(condition)
  if (handler) return runStatements(run, handler.action ?? [])
  try {
    return runStatements(run, statements)
  } catch (error) {
    const raised = error instanceof Raised ? handlerOf(error.condition) : undefined
    if (!raised) throw error
    // what the block did before is taken back, which a fold cannot do
    if (mayChange(run.fold, statements)) note(run, 'a block that fails half-way')
    return runStatements(run, raised.action ?? [])
  }
}

/** What stops a block, as far as the statements outside branches and loops tell. */
function firstFailure(run: Run, statements: Statements): string | null {
  for (const [n, statement] of statements.entries()) {
    const condition = failureOfStatement(run, statement)
    // what a later statement misses, an earlier one may have made
    if (condition !== null && (n === 0 || condition.startsWith('duplicate'))) return condition
  }
  return null
}

function failureOfStatement(run: Run, statement: Statement): string | null {
  const { PLpgSQL_stmt_execsql: sql, PLpgSQL_stmt_dynexecute: dynamic } = statement
  const text = sql ? queryOf(sql.sqlstmt) : dynamic ? attemptText(run, queryOf(dynamic.query)) : ''
  const parsed = typeof text === 'string' ? parseRaw(text) : []
  for (const { node } of Array.isArray(parsed) ? parsed : []) {
    const condition = failureOf(run.fold, node)
    if (condition !== null) return condition
  }
  return null
}

function runSql(run: Run, { sqlstmt, into, target }: NonNullable<Statement['PLpgSQL_stmt_execsql']>): End {
  const text = queryOf(sqlstmt)
  if (!into) {
    const node = queryNode(text)
    if (node && /^(Insert|Update|Delete|Merge)Stmt$/.test(Object.keys(node)[0] ?? '')) {
      run.variables.set('found', UNDECIDED)
      watchText(run, text)
      if (callsChange(run.fold, node)) note(run, 'rows that call functions')
      return 'next'
    }
    foldText(run, text)
    return 'next'
  }
  const rows = queryRows(run, text)
  assignRow(run, targetNames(target), isRecord(target), rows[0])
  run.variables.set('found', rows.length > 0)
  return 'next'
}

function queryRows(run: Run, text: string): ResultRow[] {
  const node = queryNode(text)
  return node && 'SelectStmt' in node
    ? evaluateQuery(node.SelectStmt, environment(run))
    : undecided('rows of a statement')
}

function assignRow(run: Run, names: readonly string[], record: boolean, row: ResultRow | undefined): void {
  const [first] = names
  if (first !== undefined && record) run.variables.set(first, row ? { row } : null)
  else for (const [n, name] of names.entries()) run.variables.set(name, row ? ([...row.values()][n] ?? null) : null)
}

function runDynamic(run: Run, { query, into, target }: NonNullable<Statement['PLpgSQL_stmt_dynexecute']>): End {
  const text = textOf(valueOf(run, query))
  if (text === null) throw new Raised('null_value_not_allowed')
  if (into) {
    const rows = queryRows(run, text)
    assignRow(run, targetNames(target), isRecord(target), rows[0])
  } else foldText(run, text)
  return 'next'
}

/** Folds SQL that the code runs; what it makes stands where the code's statement stands. */
function foldText(run: Run, text: string): void {
  const { fold } = run
  const { statement: outer, position } = fold
  const { statements, errors } = parseSqlNow(text, position.file)
  for (const error of errors) note(run, `does not parse: ${error.reason}`)
  for (const statement of statements) {
    fold.options.watch?.(statement, position)
    fold.statement = statement
    fold.position = position
    applyStatement(fold, statement)
  }
  fold.statement = outer
  fold.position = position
}

/** Statements about rows change no schema, but who watches wants to see them. */
function watchText({ fold }: Run, text: string): void {
  if (!fold.options.watch) return
  for (const statement of parseSqlNow(text, fold.position.file).statements) fold.options.watch(statement, fold.position)
}

function runQuery(run: Run, text: string): End {
  const node = queryNode(text)
  if (node) runQueryText(run, node)
  return 'next'
}

const queries = new Map<string, Node | undefined>()

/** The one statement of a text. */
function queryNode(text: string): Node | undefined {
  if (queries.has(text)) return queries.get(text)
  const parsed = parseRaw(text)
  const node = Array.isArray(parsed) ? parsed[0]?.node : undefined
  if (queries.size > 2_000) queries.clear()
  queries.set(text, node)
  return node
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
function call(run: Run, names: string[], args: Known[], named: ReadonlyMap<string, Known>): Known | undefined {
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
    if (body) runBody(run, body)
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
  const parsed = parseRaw(`create function f(${routine.arguments}) returns void language sql as ''`)
  const [statement] = Array.isArray(parsed) ? parsed : []
  const items =
    statement && 'CreateFunctionStmt' in statement.node ? (statement.node.CreateFunctionStmt.parameters ?? []) : []
  const parameters = items.flatMap((item) => ('FunctionParameter' in item ? item.FunctionParameter : []))
  const inputs = parameters.filter(({ mode }) => mode !== 'FUNC_PARAM_OUT' && mode !== 'FUNC_PARAM_TABLE')
  for (const [n, { name = '', defexpr }] of inputs.entries()) {
    const given = n < args.length ? args[n] : named.get(name)
    const value = given === undefined && defexpr ? attempt(defexpr, environment(run)) : (given ?? null)
    run.variables.set(`$${n + 1}`, value)
    if (name !== '') run.variables.set(name, value)
  }
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

/** `name := expression`; a part of a variable cannot be assigned to here. */
function assignment(query: string): { name: string | undefined; text: string; isPart: boolean } {
  const [, name, part = '', text = ''] =
    /^\s*"?([A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)"?([^:=]*?)\s*:?=\s*(.*)$/s.exec(query) ?? []
  return { name: name?.toLowerCase(), text, isPart: part.trim() !== '' }
}

function runAssign(run: Run, query: string): End {
  const { name, text, isPart } = assignment(query)
  if (name === undefined) return undecided(`assignment ${query}`)
  run.variables.set(name, isPart ? UNDECIDED : attemptWithCalls(run, text))
  return 'next'
}

/** A function in an expression that changes the schema must not be passed over in silence. */
function attemptWithCalls(run: Run, text: string): Known {
  const value = attemptText(run, text)
  const node = value === UNDECIDED ? expressionOf(text) : undefined
  if (node && callsChange(run.fold, node)) note(run, `an expression that calls functions: ${text}`)
  return value
}

function runLoop(run: Run, statement: Statement): End {
  const {
    PLpgSQL_stmt_foreach_a: each,
    PLpgSQL_stmt_fori: counted,
    PLpgSQL_stmt_fors: rows,
    PLpgSQL_stmt_dynfors: dynamic,
  } = statement
  if (each) {
    const array = valueOf(run, each.expr)
    const items = isArray(array) ? array : undecided('an array that is looped over')
    const name = run.names[each.varno] ?? ''
    return runTurns(run, each.body ?? [], items, (item) => run.variables.set(name, item))
  }
  if (counted) {
    const [from, to] = [Number(textOf(valueOf(run, counted.lower))), Number(textOf(valueOf(run, counted.upper)))]
    const step = counted.step ? Number(textOf(valueOf(run, counted.step))) : 1
    const numbers: number[] = []
    if (counted.reverse) for (let n = from; n >= to; n -= step) numbers.push(n)
    else for (let n = from; n <= to && numbers.length <= STEPS; n += step) numbers.push(n)
    const [name = ''] = targetNames(counted.var)
    return runTurns(run, counted.body ?? [], numbers, (n) => run.variables.set(name, n))
  }
  if (rows) {
    const found = queryRows(run, queryOf(rows.query))
    return runTurns(run, rows.body ?? [], found, (row) =>
      assignRow(run, targetNames(rows.var), isRecord(rows.var), row),
    )
  }
  if (dynamic) return undecided('a loop over a computed query')
  if (statement.PLpgSQL_stmt_while) {
    const { cond, body = [] } = statement.PLpgSQL_stmt_while
    while (toBoolean(valueOf(run, cond)) === true) {
      const end = runStatements(run, body)
      if (end === 'return') return end
      if (end === 'exit') break
    }
    return 'next'
  }
  if (statement.PLpgSQL_stmt_loop) {
    for (;;) {
      const end = runStatements(run, statement.PLpgSQL_stmt_loop.body ?? [])
      if (end === 'return') return end
      if (end === 'exit') return 'next'
    }
  }
  // GET DIAGNOSTICS, ASSERT, cursors, COMMIT: nothing about the schema
  return 'next'
}

function runTurns<Item>(run: Run, body: Statements, items: readonly Item[], assign: (item: Item) => void): End {
  for (const item of items) {
    assign(item)
    const end = runStatements(run, body)
    if (end === 'return') return end
    if (end === 'exit') break
  }
  return 'next'
}
