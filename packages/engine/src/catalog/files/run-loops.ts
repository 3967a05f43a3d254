import { isRecord, queryOf, targetNames, type Statement, type Statements } from '../evaluate/plpgsql-tree.ts'
import { isArray, textOf, toBoolean, undecided } from '../evaluate/value.ts'
import { assignRow, queryRows, STEPS, valueOf, type End, type Run } from './run.ts'

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
      const end = run.fold.interpreter.statements(run, body)
      if (end === 'return') return end
      if (end === 'exit') break
    }
    return 'next'
  }
  if (statement.PLpgSQL_stmt_loop) {
    for (;;) {
      const end = run.fold.interpreter.statements(run, statement.PLpgSQL_stmt_loop.body ?? [])
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
    const end = run.fold.interpreter.statements(run, body)
    if (end === 'return') return end
    if (end === 'exit') break
  }
  return 'next'
}
