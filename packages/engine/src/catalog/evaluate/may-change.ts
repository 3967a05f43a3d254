import { parseRaw } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'
import { walkTree } from '../../parse/walk.ts'
import type { Fold } from '../files/fold.ts'
import { routineNamed } from '../files/names.ts'
import type { Routine } from '../model.ts'
import { nested, plpgsqlBody, type Body, type Statement, type Statements } from './plpgsql-tree.ts'
import { createText } from './routine-text.ts'

/** Statements that leave the schema alone, whatever they read or write. */
const HARMLESS = new Set(
  `InsertStmt UpdateStmt DeleteStmt MergeStmt SelectStmt TruncateStmt LockStmt VariableSetStmt CopyStmt NotifyStmt
  RefreshMatViewStmt VacuumStmt ReindexStmt ConstraintsSetStmt ExplainStmt TransactionStmt`.split(/\s+/),
)

/** What code does at its worst: change the schema by itself, or call these functions. */
interface Summary {
  readonly changes: boolean
  /** Names as written, those of pg_catalog left out. */
  readonly calls: readonly string[][]
}

const CHANGES: Summary = { changes: true, calls: [] }

/** False when code of PL/pgSQL cannot change the schema, whatever its conditions and loops come to. */
export function mayChange(fold: Fold, statements: Statements): boolean {
  return isChange(fold, summarize([...nested(statements)].map(ofStatement)), [])
}

/** True when a tree calls a routine of the files that may change the schema, or one with a known effect. */
export function callsChange(fold: Fold, tree: unknown): boolean {
  return isChange(fold, { changes: false, calls: callsIn(tree) }, [])
}

export function routineMayChange(fold: Fold, routine: Routine): boolean {
  return isChange(fold, summaryOf(routine), [routine])
}

function isChange(fold: Fold, { changes, calls }: Summary, above: readonly Routine[]): boolean {
  if (changes) return true
  return calls.some((names) => {
    const { key } = routineNamed(fold, names)
    if (fold.options.effects?.[key]) return true
    return routines(fold, key).some((own) => !above.includes(own) && isChange(fold, summaryOf(own), [...above, own]))
  })
}

const summaries = new WeakMap<Routine, Summary>()

function summaryOf(routine: Routine): Summary {
  const before = summaries.get(routine)
  if (before) return before
  const summary = ofRoutine(routine)
  summaries.set(routine, summary)
  return summary
}

function ofRoutine(routine: Routine): Summary {
  if (routine.language === 'plpgsql') {
    const body = bodyOf(routine)
    if (!body) return CHANGES
    const handlers = (body.exceptions?.exc_list ?? []).flatMap((own) => own.PLpgSQL_exception.action ?? [])
    const starts = body.variables.flatMap(({ start }) => (start === null ? [] : ofText(`select ${start}`)))
    return summarize([...starts, ...[...nested([...body.statements, ...handlers])].map(ofStatement)])
  }
  if (routine.language !== 'sql') return { changes: routine.kind !== 'aggregate', calls: [] }
  return /^(return|begin\s+atomic)\b/i.test(routine.body) ? { changes: false, calls: [] } : ofText(routine.body)
}

const bodies = new WeakMap<Routine, Body | null>()

/** The tree of a routine in PL/pgSQL, null when it does not parse. */
export function bodyOf(routine: Routine): Body | null {
  let body = bodies.get(routine)
  if (body === undefined) {
    body = plpgsqlBody(createText(routine))
    bodies.set(routine, body)
  }
  return body
}

function summarize(parts: readonly Summary[]): Summary {
  if (parts.some((part) => part.changes)) return CHANGES
  const calls = new Map(parts.flatMap((part) => part.calls.map((names) => [names.join('.'), names] as const)))
  return { changes: false, calls: [...calls.values()] }
}

/** Computed SQL that begins with a literal, and that with a statement about rows. */
const LITERAL_WITHOUT_DDL =
  /^\s*(?:(?:pg_catalog\.)?format\s*\(\s*)?(?:e?'|\$\w*\$)\s*(select|insert|update|delete|with|lock|set|reset|analyze|refresh|notify)\b/i

function ofStatement(statement: Statement): Summary {
  const dynamic = statement.PLpgSQL_stmt_dynexecute ?? statement.PLpgSQL_stmt_dynfors
  if (dynamic && !LITERAL_WITHOUT_DDL.test(dynamic.query.PLpgSQL_expr?.query ?? '')) return CHANGES
  return statement.PLpgSQL_stmt_call ? CHANGES : summarize(textsOf(statement).map(ofText))
}

/** The SQL of one statement, without that of the statements inside it. */
function textsOf(statement: Statement): string[] {
  const found: string[] = []
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    if (Array.isArray(value)) return value.forEach(visit)
    for (const [key, child] of Object.entries(value as Record<string, unknown>)) {
      if (key === 'PLpgSQL_expr') {
        const { query = '', parseMode = 0 } = child as { query?: string; parseMode?: number }
        found.push(parseMode === 0 ? query : `select ${parseMode === 2 ? query : query.replace(/^.*?:?=/s, '')}`)
      } else if (!key.startsWith('PLpgSQL_stmt_')) visit(child)
    }
  }
  for (const content of Object.values(statement)) visit(content)
  return found
}

function ofText(text: string): Summary {
  const parsed = parseRaw(text)
  if (!Array.isArray(parsed)) return { changes: false, calls: [] }
  const changes = parsed.some(({ node }) => !HARMLESS.has(Object.keys(node)[0] ?? ''))
  return { changes, calls: changes ? [] : callsIn(parsed.map(({ node }) => node)) }
}

function callsIn(tree: unknown): string[][] {
  const calls: string[][] = []
  walkTree([tree], (tag, content) => {
    const names = tag === 'FuncCall' ? path(content['funcname']) : []
    if (names.length > 0 && (names.length === 1 || names[0] !== 'pg_catalog')) calls.push(names)
  })
  return calls
}

export function routines({ catalog }: Fold, name: string): Routine[] {
  const found: Routine[] = []
  for (const [key, own] of catalog.functions) if (key.startsWith(name) && key[name.length] === '(') found.push(own)
  return found
}
