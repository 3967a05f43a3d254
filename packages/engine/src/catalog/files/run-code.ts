import { parseRaw, type Node } from '../../parse/parser.ts'
import { UNDECIDED, type Known } from '../evaluate/env.ts'
import { evaluate } from '../evaluate/expression.ts'
import { catches, failureOf } from '../evaluate/failures.ts'
import { callsChange, mayChange } from '../evaluate/may-change.ts'
import {
  isRecord,
  nested,
  plpgsqlBody,
  queryOf,
  targetNames,
  type Body,
  type ExceptionBlock,
  type Statement,
  type Statements,
} from '../evaluate/plpgsql-tree.ts'
import { textOf, toBoolean, Undecidable, undecided } from '../evaluate/value.ts'
import { valueAs } from '../evaluate/value-as.ts'
import type { SourcePosition } from '../model.ts'
import { markUnknown, type Fold } from './fold.ts'
import { runQuery } from './run-calls.ts'
import { mayLeaveLoop, runLoop, takeStep } from './run-loops.ts'
import {
  assignRow,
  attemptText,
  environment,
  expressionOf,
  foldText,
  newRun,
  note,
  queryNode,
  queryRows,
  Raised,
  valueOf,
  watchText,
  type End,
  type Run,
} from './run.ts'

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

export function runBody(run: Run, body: Body): void {
  const { fold } = run
  run.names = body.variables.map(({ name }) => name)
  for (const { name, type, start } of body.variables) {
    if (run.variables.has(name)) continue
    run.types.set(name, type)
    const value = name === 'found' ? UNDECIDED : start === null ? null : attemptWithCalls(run, start)
    run.variables.set(name, valueAs(fold, type, value))
  }
  try {
    runGuarded(run, body.statements, body.exceptions)
  } catch (error) {
    if (!(error instanceof Undecidable)) throw error
    // the code stops with an error, and with it the history
    if (!(error instanceof Raised)) note(run, error.message)
  }
}

export function runStatements(run: Run, statements: Statements): End {
  for (const statement of statements) {
    takeStep(run)
    const end = runStatement(run, statement)
    if (end !== 'next') return end
  }
  return 'next'
}

/** A statement that cannot be told is noted where it may change the schema, and its variables become unknown. */
function runStatement(run: Run, statement: Statement): End {
  const { fold } = run
  const { position } = fold
  fold.position = placeOf(run, statement)
  try {
    return perform(run, statement)
  } catch (error) {
    if (!(error instanceof Undecidable) || error instanceof Raised) throw error
    watchParts(run, statement)
    mayLeaveLoop(run, statement)
    for (const name of assigned([statement])) run.variables.set(name, UNDECIDED)
    if (mayChange(fold, [statement])) note(run, error.message)
    return 'next'
  } finally {
    fold.position = position
  }
}

function placeOf({ fold, firstLine }: Run, statement: Statement): SourcePosition {
  const [content] = Object.values(statement) as { lineno?: number }[]
  if (firstLine === null || content?.lineno === undefined) return fold.position
  return { ...fold.position, line: firstLine + content.lineno - 1 }
}

/** Which branch is taken cannot be told: who watches sees what each of them says in plain SQL, and nothing is folded. */
function watchParts(run: Run, statement: Statement): void {
  const { fold } = run
  if (!fold.options.watch) return
  const { position } = fold
  for (const part of nested([statement])) {
    const text = plainSql(part)
    fold.position = placeOf(run, part)
    if (text !== null) watchText(run, text)
    fold.position = position
  }
}

/** The SQL of a statement that holds whatever the variables are. */
function plainSql({ PLpgSQL_stmt_execsql: sql, PLpgSQL_stmt_dynexecute: dynamic }: Statement): string | null {
  if (sql) return queryOf(sql.sqlstmt)
  const node = dynamic && queryNode(`select ${queryOf(dynamic.query)}`)
  const [target] = node && 'SelectStmt' in node ? (node.SelectStmt.targetList ?? []) : []
  const value = target && 'ResTarget' in target ? target.ResTarget.val : undefined
  return value && 'A_Const' in value ? (value.A_Const.sval?.sval ?? null) : null
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

function runDynamic(run: Run, { query, into, target }: NonNullable<Statement['PLpgSQL_stmt_dynexecute']>): End {
  const text = textOf(valueOf(run, query))
  if (text === null) throw new Raised('null_value_not_allowed')
  if (into) {
    const rows = queryRows(run, text)
    assignRow(run, targetNames(target), isRecord(target), rows[0])
  } else foldText(run, text)
  return 'next'
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
  const value = isPart ? UNDECIDED : attemptWithCalls(run, text)
  run.variables.set(name, valueAs(run.fold, run.types.get(name) ?? '', value))
  return 'next'
}

/** A function in an expression that changes the schema must not be passed over in silence. */
function attemptWithCalls(run: Run, text: string): Known {
  const value = attemptText(run, text)
  const node = value === UNDECIDED ? expressionOf(text) : undefined
  if (node && callsChange(run.fold, node)) note(run, `an expression that calls functions: ${text}`)
  return value
}
