import { parsePlpgsql, parseRaw, type Node } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'
import { walkTree } from '../../parse/walk.ts'
import { markUnknown, type Fold } from './fold.ts'

type Call = Extract<Node, { FuncCall: unknown }>['FuncCall']

/**
 * What a SELECT does to the schema: its calls of functions with a known effect, as SQL. Calls of PostgreSQL's own functions
 * do nothing; any other call may do anything.
 */
export function callEffects(fold: Fold, tree: unknown): string[] {
  const found: string[] = []
  walkTree([tree], (tag, content) => {
    if (tag !== 'FuncCall') return
    const call = content as unknown as Call
    const names = path(call.funcname)
    if (names.length < 2 || names[0] === 'pg_catalog') return
    const name = names.join('.')
    const effect = fold.options.effects?.[name]
    const args = literals(call.args ?? [])
    if (!effect || args === null) return markUnknown(fold, `call of ${name}`)
    const text = effect(args, fold.catalog)
    if (text !== null) found.push(text)
  })
  return found
}

function literals(args: Node[]): (string | null)[] | null {
  const values: (string | null)[] = []
  for (const argument of args) {
    const inner =
      'TypeCast' in argument ? argument.TypeCast.arg : 'NamedArgExpr' in argument ? argument.NamedArgExpr.arg : argument
    if (!inner || !('A_Const' in inner)) return null
    const constant = inner.A_Const
    if (constant.isnull) values.push(null)
    else if ('sval' in constant) values.push(constant.sval?.sval ?? '')
    else if ('ival' in constant) values.push(String(constant.ival?.ival ?? 0))
    else if ('boolval' in constant) values.push(String(constant.boolval?.boolval ?? false))
    else return null
  }
  return values
}

const GUARD = /^(not exists \(select( 1)? from pg_catalog\.pg_\w+ |pg_catalog\.to_regtype\('[^']*'\) is null$)/i

/** Statements of a DO block that consists of guards only (the form that bundles are made of); null for any other block. */
export function guardedStatements(doText: string): string[] | null {
  const tree = parsePlpgsql(doText) as PlpgsqlResult | null
  const body = tree?.plpgsql_funcs?.[0]?.PLpgSQL_function?.action?.PLpgSQL_stmt_block?.body ?? []
  const found: string[] = []
  for (const statement of body) {
    if ('PLpgSQL_stmt_return' in statement) continue
    const branch = statement.PLpgSQL_stmt_if
    if (!branch || branch.elsif_list || branch.else_body || !GUARD.test(branch.cond?.PLpgSQL_expr?.query ?? ''))
      return null
    for (const inner of branch.then_body ?? []) {
      const query = inner.PLpgSQL_stmt_execsql?.sqlstmt?.PLpgSQL_expr?.query
      if (query === undefined || !Array.isArray(parseRaw(query))) return null
      found.push(query)
    }
  }
  return found.length > 0 ? found : null
}

interface PlpgsqlExpression {
  PLpgSQL_expr?: { query?: string }
}

interface PlpgsqlStatement {
  PLpgSQL_stmt_return?: object
  PLpgSQL_stmt_execsql?: { sqlstmt?: PlpgsqlExpression }
  PLpgSQL_stmt_if?: {
    cond?: PlpgsqlExpression
    then_body?: PlpgsqlStatement[]
    elsif_list?: unknown
    else_body?: unknown
  }
}

interface PlpgsqlResult {
  plpgsql_funcs?: { PLpgSQL_function?: { action?: { PLpgSQL_stmt_block?: { body?: PlpgsqlStatement[] } } } }[]
}
