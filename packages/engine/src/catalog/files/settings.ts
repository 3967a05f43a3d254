import type { Node } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'
import { DEFAULT_SCHEMA, type Fold } from './fold.ts'
import { isOneTransaction } from './one-transaction.ts'

type SetNode = Extract<Node, { VariableSetStmt: unknown }>['VariableSetStmt']

/** SET and RESET of the search path; other settings change nothing about a schema. */
export function setVariable(fold: Fold, node: SetNode): void {
  if (node.kind !== 'VAR_RESET_ALL' && node.name !== 'search_path') return
  const values = (node.args ?? []).flatMap((arg) =>
    'A_Const' in arg && 'sval' in arg.A_Const ? (arg.A_Const.sval?.sval ?? '') : [],
  )
  const isSet = node.kind === 'VAR_SET_VALUE'
  setSearchPath(fold, isSet ? values : startPath(fold), node.is_local ?? false)
}

/** The search path that a file starts with. */
export function startPath({ options }: Fold): readonly string[] {
  return options.searchPath ?? [DEFAULT_SCHEMA]
}

/** `local` lasts to the end of the transaction, and of the file where that is one. */
function setSearchPath(fold: Fold, schemas: readonly string[], isLocal: boolean): void {
  if (isLocal && !fold.transaction && !(fold.file && isOneTransaction(fold.file))) return
  if (isLocal) fold.transaction = { path: fold.transaction?.path ?? fold.searchPath }
  else if (fold.transaction?.path) fold.transaction = { path: null }
  fold.searchPath = schemas.filter((schema) => schema !== '' && schema !== '$user' && schema !== 'pg_catalog')
}

/** `select set_config('search_path', 'a, public', false)`, as pg_dump writes it. */
export function setConfig(fold: Fold, node: Node): void {
  const call = 'FuncCall' in node ? node.FuncCall : undefined
  const [name, value, isLocal] = (call?.args ?? []).map(constant)
  if (path(call?.funcname).at(-1) !== 'set_config' || name !== 'search_path' || typeof value !== 'string') return
  const schemas = value.split(',').map((part) => part.trim().replace(/^"(.*)"$/, '$1'))
  setSearchPath(fold, schemas, isLocal === true)
}

function constant(node: Node): string | boolean | undefined {
  if (!('A_Const' in node)) return undefined
  if ('sval' in node.A_Const) return node.A_Const.sval?.sval ?? ''
  return 'boolval' in node.A_Const ? (node.A_Const.boolval?.boolval ?? false) : undefined
}

type TransactionNode = Extract<Node, { TransactionStmt: unknown }>['TransactionStmt']

/** BEGIN and COMMIT, as far as they bound what SET LOCAL says. What a ROLLBACK undoes is not folded at all. */
export function transact(fold: Fold, { kind }: TransactionNode): void {
  if (kind === 'TRANS_STMT_BEGIN' || kind === 'TRANS_STMT_START') fold.transaction = { path: null }
  if (kind === 'TRANS_STMT_COMMIT' || kind === 'TRANS_STMT_ROLLBACK') endTransaction(fold)
}

export function endTransaction(fold: Fold): void {
  if (fold.transaction?.path) fold.searchPath = fold.transaction.path
  fold.transaction = null
}
