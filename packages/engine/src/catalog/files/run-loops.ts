import { UNDECIDED } from '../evaluate/env.ts'
import { mayChange } from '../evaluate/may-change.ts'
import {
  isRecord,
  queryOf,
  targetNames,
  type Expression,
  type Statement,
  type Statements,
} from '../evaluate/plpgsql-tree.ts'
import { isArray, textOf, toBoolean, Undecidable, undecided } from '../evaluate/value.ts'
import { assignRow, note, queryRows, Raised, STEPS, valueOf, type End, type Run } from './run.ts'

/** Takes one from what the code may take; a turn of a loop takes one too, for it may hold nothing. */
export function takeStep(run: Run): void {
  if (run.budget.left-- <= 0) undecided('it takes too many steps')
}

/** Code whose innermost loop may have been left, or gone on to its next turn, by a statement that cannot be told. */
const mayHaveLeft = new WeakSet<Run>()

/** Takes note of a statement that cannot be told and may leave the loop around it. */
export function mayLeaveLoop(run: Run, statement: Statement): void {
  if (leaves(statement)) mayHaveLeft.add(run)
}

function leaves(statement: Statement): boolean {
  const { PLpgSQL_stmt_if: branch, PLpgSQL_stmt_case: cases, PLpgSQL_stmt_block: block } = statement
  if (statement.PLpgSQL_stmt_exit || statement.PLpgSQL_stmt_return) return true
  const parts = [
    branch?.then_body,
    ...(branch?.elsif_list ?? []).map(({ PLpgSQL_if_elsif: own }) => own.stmts),
    branch?.else_body,
    ...(cases?.case_when_list ?? []).map(({ PLpgSQL_case_when: own }) => own.stmts),
    cases?.else_stmts,
    block?.body,
  ]
  return parts.some((statements) => statements?.some(leaves))
}

export function runLoop(run: Run, statement: Statement): End {
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
    if (counted.reverse) for (let n = from; n >= to && numbers.length <= STEPS; n -= step) numbers.push(n)
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
    if (toBoolean(valueOf(run, cond)) !== true) return 'next'
    return runUntilLeft(run, body, () => goesOn(run, cond, body))
  }
  if (statement.PLpgSQL_stmt_loop) return runUntilLeft(run, statement.PLpgSQL_stmt_loop.body ?? [], () => true)
  forgetDiagnostics(run, statement)
  // ASSERT, cursors, COMMIT: nothing about the schema
  return 'next'
}

function runTurns<Item>(run: Run, body: Statements, items: readonly Item[], assign: (item: Item) => void): End {
  for (const item of items) {
    assign(item)
    const end = runTurn(run, body)
    if (end === 'return') return end
    if (end === 'exit') break
  }
  return 'next'
}

function runUntilLeft(run: Run, body: Statements, isNextDue: () => boolean): End {
  for (;;) {
    const end = runTurn(run, body)
    if (end === 'return') return end
    if (end === 'exit' || !isNextDue()) return 'next'
  }
}

/** A turn behind which nobody can tell whether there is another is the last one: the others would do the same. */
function runTurn(run: Run, body: Statements): End {
  takeStep(run)
  const isOuterOpen = mayHaveLeft.delete(run)
  let isOpen: boolean
  let end: End
  try {
    end = run.fold.interpreter.statements(run, body)
  } finally {
    isOpen = mayHaveLeft.delete(run)
    if (isOuterOpen) mayHaveLeft.add(run)
  }
  return isOpen && end !== 'return' ? leaveOpen(run, body) : end
}

function leaveOpen(run: Run, body: Statements): 'exit' {
  if (mayChange(run.fold, body)) note(run, 'how many turns a loop takes')
  return 'exit'
}

/** Whether WHILE takes another turn; no when a turn made that unknown. */
function goesOn(run: Run, cond: Expression, body: Statements): boolean {
  try {
    return toBoolean(valueOf(run, cond)) === true
  } catch (error) {
    if (!(error instanceof Undecidable) || error instanceof Raised) throw error
    leaveOpen(run, body)
    return false
  }
}

interface Diagnostics {
  readonly PLpgSQL_stmt_getdiag?: {
    readonly diag_items?: { readonly PLpgSQL_diag_item: { readonly target: number } }[]
  }
}

/** GET DIAGNOSTICS: how many rows there were only the server knows. */
function forgetDiagnostics(run: Run, statement: Statement & Diagnostics): void {
  for (const { PLpgSQL_diag_item: item } of statement.PLpgSQL_stmt_getdiag?.diag_items ?? [])
    run.variables.set(run.names[item.target] ?? '', UNDECIDED)
}
