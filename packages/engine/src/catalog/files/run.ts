import { parseSqlNow } from '../../parse/parse-sql.ts'
import { parseRaw, type Node } from '../../parse/parser.ts'
import { NotBound, UNDECIDED, type Env, type Known } from '../evaluate/env.ts'
import { attempt, evaluate } from '../evaluate/expression.ts'
import { queryOf, type Expression } from '../evaluate/plpgsql-tree.ts'
import { evaluateQuery, type ResultRow } from '../evaluate/query.ts'
import { Undecidable, undecided, type Value } from '../evaluate/value.ts'
import { markUnknown, type Fold } from './fold.ts'

/** Code under way: a DO block, a function or a procedure of the files. */
export interface Run {
  readonly fold: Fold
  readonly variables: Map<string, Known>
  /** `do block`, `call of a.f`: how an unknown entry begins. */
  readonly what: string
  /** Line of the file that line 1 of the code is on; null for a function, which stands elsewhere. */
  readonly firstLine: number | null
  readonly budget: { left: number }
  /** Names of variables by their number. */
  names: readonly string[]
  /** Types of declared variables by their name, as written. */
  readonly types: Map<string, string>
  result: Known
}

/** How a statement ends: on to the next, out of the loop, to its next turn, out of the code. */
export type End = 'next' | 'exit' | 'continue' | 'return'

/** An error that the code raises, by its condition. */
export class Raised extends Undecidable {
  readonly condition: string
  constructor(condition: string) {
    super(`${condition} is raised`)
    this.condition = condition
  }
}

/** How many statements a piece of code may take. */
export const STEPS = 20_000

export function newRun(fold: Fold, what: string, firstLine: number | null, budget = { left: STEPS }): Run {
  return { fold, what, firstLine, budget, variables: new Map(), names: [], types: new Map(), result: null }
}

export function note(run: Run, reason: string): void {
  markUnknown(run.fold, `${run.what}: ${reason}`)
}

export function environment(run: Run): Env {
  return {
    fold: run.fold,
    variables: run.variables,
    rows: [],
    outer: null,
    ctes: new Map(),
    query: evaluateQuery,
    call: (names, args, named) => run.fold.interpreter.call(run, names, args, named),
  }
}

export function attemptText(run: Run, text: string): Known {
  try {
    return attempt(expressionOf(text), environment(run))
  } catch (error) {
    if (error instanceof NotBound || error instanceof Undecidable) return UNDECIDED
    throw error
  }
}

/** Loops and functions meet the same text again and again. */
const expressions = new Map<string, Node | undefined>()

export function expressionOf(text: string): Node | undefined {
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

export function valueOf(run: Run, expression: Expression): Value {
  return evaluate(expressionOf(queryOf(expression)), environment(run))
}

export function queryRows(run: Run, text: string): ResultRow[] {
  const node = queryNode(text)
  return node && 'SelectStmt' in node
    ? evaluateQuery(node.SelectStmt, environment(run))
    : undecided('rows of a statement')
}

export function assignRow(run: Run, names: readonly string[], record: boolean, row: ResultRow | undefined): void {
  const [first] = names
  if (first !== undefined && record) run.variables.set(first, row ? { row } : null)
  else for (const [n, name] of names.entries()) run.variables.set(name, row ? ([...row.values()][n] ?? null) : null)
}

/** Folds SQL that the code runs; what it makes stands where the code's statement stands. */
export function foldText(run: Run, text: string): void {
  const { fold } = run
  const { statement: outer, position } = fold
  const { statements, errors } = parseSqlNow(text, position.file)
  for (const error of errors) note(run, `does not parse: ${error.reason}`)
  for (const statement of statements) {
    fold.options.watch?.(statement, position)
    fold.statement = statement
    fold.position = position
    fold.interpreter.apply(fold, statement)
  }
  fold.statement = outer
  fold.position = position
}

/** Statements about rows change no schema, but who watches wants to see them. */
export function watchText({ fold }: Run, text: string): void {
  if (!fold.options.watch) return
  for (const statement of parseSqlNow(text, fold.position.file).statements) fold.options.watch(statement, fold.position)
}

const queries = new Map<string, Node | undefined>()

/** The one statement of a text. */
export function queryNode(text: string): Node | undefined {
  if (queries.has(text)) return queries.get(text)
  const parsed = parseRaw(text)
  const node = Array.isArray(parsed) ? parsed[0]?.node : undefined
  if (queries.size > 2_000) queries.clear()
  queries.set(text, node)
  return node
}
