import { parseRaw } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'
import { walkTree } from '../../parse/walk.ts'
import type { Fold } from '../files/fold.ts'
import { routineNamed } from '../files/names.ts'
import type { Routine } from '../model.ts'
import { nested, plpgsqlBody, type Statement, type Statements } from './plpgsql-tree.ts'
import { createText } from './routine-text.ts'

/** Statements that leave the schema alone, whatever they read or write. */
const HARMLESS = new Set(
  `InsertStmt UpdateStmt DeleteStmt MergeStmt SelectStmt TruncateStmt LockStmt VariableSetStmt CopyStmt NotifyStmt
  RefreshMatViewStmt VacuumStmt ReindexStmt ConstraintsSetStmt ExplainStmt TransactionStmt`.split(/\s+/),
)

/** False when code of PL/pgSQL cannot change the schema, whatever its conditions and loops come to. */
export function mayChange(fold: Fold, statements: Statements, above: readonly string[] = []): boolean {
  for (const statement of nested(statements)) if (changes(fold, statement, above)) return true
  return false
}

/** Computed SQL that begins with a literal, and that with a statement about rows. */
const LITERAL_WITHOUT_DDL =
  /^\s*(?:(?:pg_catalog\.)?format\s*\(\s*)?(?:e?'|\$\w*\$)\s*(select|insert|update|delete|with|lock|set|reset|analyze|refresh|notify)\b/i

function changes(fold: Fold, statement: Statement, above: readonly string[]): boolean {
  const dynamic = statement.PLpgSQL_stmt_dynexecute ?? statement.PLpgSQL_stmt_dynfors
  if (dynamic && !LITERAL_WITHOUT_DDL.test(dynamic.query.PLpgSQL_expr?.query ?? '')) return true
  if (statement.PLpgSQL_stmt_call) return true
  for (const text of textsOf(statement)) if (textChanges(fold, text, above)) return true
  return false
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

function textChanges(fold: Fold, text: string, above: readonly string[]): boolean {
  const parsed = parseRaw(text)
  if (!Array.isArray(parsed)) return false
  return parsed.some(({ node }) => !HARMLESS.has(Object.keys(node)[0] ?? '') || callsChange(fold, node, above))
}

/** True when a tree calls a routine of the files that may change the schema, or one with a known effect. */
export function callsChange(fold: Fold, tree: unknown, above: readonly string[] = []): boolean {
  let found = false
  walkTree([tree], (tag, content) => {
    if (tag !== 'FuncCall' || found) return
    const names = path(content['funcname'])
    const { key } = routineNamed(fold, names)
    found =
      fold.options.effects?.[key] !== undefined || routines(fold, key).some((own) => routineMayChange(fold, own, above))
  })
  return found
}

export function routines({ catalog }: Fold, name: string): Routine[] {
  return [...catalog.functions].filter(([key]) => key.startsWith(`${name}(`)).map(([, own]) => own)
}

export function routineMayChange(fold: Fold, routine: Routine, above: readonly string[] = []): boolean {
  const key = `${routine.schema}.${routine.name}(${routine.argumentTypes.join(', ')})`
  if (above.includes(key)) return false
  const before = verdicts.get(routine)
  if (before?.of === fold.catalog.functions.size) return before.verdict
  const verdict = bodyMayChange(fold, routine, [...above, key])
  // inside a circle of calls the verdict is one about the rest of it
  if (above.length === 0) verdicts.set(routine, { of: fold.catalog.functions.size, verdict })
  return verdict
}

/** Verdicts hold until functions come or go. */
const verdicts = new WeakMap<Routine, { of: number; verdict: boolean }>()

function bodyMayChange(fold: Fold, routine: Routine, chain: readonly string[]): boolean {
  if (routine.language === 'plpgsql') {
    const body = plpgsqlBody(createText(routine))
    if (!body) return true
    const handlers = (body.exceptions?.exc_list ?? []).flatMap((own) => own.PLpgSQL_exception.action ?? [])
    return mayChange(fold, [...body.statements, ...handlers], chain)
  }
  if (routine.language !== 'sql') return routine.kind !== 'aggregate'
  return !/^(return|begin\s+atomic)\b/i.test(routine.body) && textChanges(fold, routine.body, chain)
}
