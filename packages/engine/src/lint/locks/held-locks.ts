import type { SourcePosition } from '../../catalog/model.ts'
import { runsAlone } from '../../migrate/transaction-mode.ts'
import type { ParsedStatement } from '../../parse/parse-sql.ts'
import type { LintedFile, Moment } from '../rule.ts'
import { blocksWriters, locksOf, type TableLock } from './locks-of.ts'

/** A lock that makes writers of an existing table wait until the transaction ends. */
export interface HeldLock extends TableLock, SourcePosition {}

interface Transaction {
  isOpen: boolean
  held: readonly HeldLock[]
  readonly before: WeakMap<ParsedStatement, readonly HeldLock[]>
  readonly taken: WeakMap<ParsedStatement, readonly HeldLock[]>
}

const transactions = new WeakMap<LintedFile, Transaction>()

/**
 * What the transaction holds when a statement begins, each table and mode as it was locked first, and what the statement
 * locks. Must be asked for every statement of a file, in order: a rule that uses it has no `on`.
 */
export function heldLocks(
  statement: ParsedStatement,
  moment: Moment,
): { before: readonly HeldLock[]; taken: readonly HeldLock[]; isOpen: boolean } {
  const { file } = moment
  let state = transactions.get(file)
  if (!state) {
    state = { isOpen: isTransactional(file), held: [], before: new WeakMap(), taken: new WeakMap() }
    transactions.set(file, state)
  }
  const known = state.before.get(statement)
  if (known) return { before: known, taken: state.taken.get(statement) ?? [], isOpen: state.isOpen }
  follow(state, statement)
  const taken = strongLocks(statement, moment)
  state.before.set(statement, state.held)
  state.taken.set(statement, taken)
  const { held } = state
  const added = taken.filter((own) => !held.some(({ table, mode }) => table === own.table && mode === own.mode))
  if (state.isOpen && added.length > 0) state.held = [...held, ...added]
  return { before: state.before.get(statement) ?? [], taken, isOpen: state.isOpen }
}

/** Whether the file runs as one transaction: not declared otherwise, and without a statement that refuses one. */
export function isTransactional(file: LintedFile): boolean {
  return file.transactional && !file.statements.some(runsAlone)
}

/** Locks on existing tables that make writers wait. */
export function strongLocks(statement: ParsedStatement, moment: Moment): HeldLock[] {
  const { line, column } = statement
  return locksOf(statement, moment.catalog)
    .filter(({ table, mode }) => blocksWriters(mode) && !moment.isNew(table) && !isPlainView(table, moment))
    .map((own) => ({ ...own, file: moment.file.file, line, column }))
}

function isPlainView(name: string, { catalog }: Moment): boolean {
  return catalog.views.get(name)?.materialized === false
}

function follow(state: Transaction, { node }: ParsedStatement): void {
  if (!('TransactionStmt' in node)) return
  const { kind } = node.TransactionStmt
  if (kind === 'TRANS_STMT_BEGIN' || kind === 'TRANS_STMT_START') state.isOpen = true
  if (kind === 'TRANS_STMT_COMMIT' || kind === 'TRANS_STMT_ROLLBACK') {
    state.isOpen = false
    state.held = []
  }
}
