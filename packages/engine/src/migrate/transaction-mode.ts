import type { ParsedFile, ParsedStatement } from '../parse/parse-sql.ts'
import { statementKind } from '../parse/statement-kind.ts'
import { MigrationStatementError } from './errors.ts'

/** A pending file that was understood: how it is going to run. */
export interface TransactionMode {
  /** False: statement by statement, each recorded. */
  readonly transactional: boolean
  /** The text to run: a BEGIN and COMMIT around the whole file are blanked out, offsets stay. */
  readonly text: string
  readonly statements: readonly ParsedStatement[]
}

const DECLARED = /^\s*--\s*imhotep:no-transaction\b/
/** How goose, sql-migrate and dbmate say it. */
const DECLARED_ELSEWHERE =
  /^--[ \t]*(?:\+goose[ \t]+no[ \t]+transaction|\+migrate[ \t]+(?:up|down)[ \t]+notransaction|migrate:(?:up|down)\b.*\btransaction:false)\b/im

/**
 * Decides whether a file runs as one transaction.
 * @throws MigrationStatementError for COPY without a file and for transaction control that cannot be obeyed
 */
export function transactionMode({ file, text, statements }: ParsedFile): TransactionMode {
  const wrapped = unwrap(text, statements)
  for (const statement of wrapped.statements) refuse(file, statement)
  return { ...wrapped, transactional: !declaresNoTransaction(text) && !needsStatements(wrapped.statements) }
}

/** Whether a file declares, ours in its first line, that it runs without a transaction. */
export function declaresNoTransaction(text: string): boolean {
  return DECLARED.test(text) || DECLARED_ELSEWHERE.test(text)
}

/** True for a statement that PostgreSQL refuses inside a transaction block. */
export function runsAlone({ node }: ParsedStatement): boolean {
  if ('IndexStmt' in node) return node.IndexStmt.concurrent === true
  if ('DropStmt' in node) return node.DropStmt.concurrent === true
  if ('VacuumStmt' in node) return node.VacuumStmt.is_vacuumcmd === true
  if ('ClusterStmt' in node) return node.ClusterStmt.relation === undefined
  if ('ReindexStmt' in node) {
    const whole = ['REINDEX_OBJECT_DATABASE', 'REINDEX_OBJECT_SYSTEM', 'REINDEX_OBJECT_SCHEMA']
    return whole.includes(node.ReindexStmt.kind ?? '') || isConcurrentReindex(node.ReindexStmt.params)
  }
  if ('AlterTableStmt' in node) return JSON.stringify(node.AlterTableStmt.cmds ?? []).includes('"concurrent":true')
  return ALONE.has(Object.keys(node)[0] ?? '')
}

/** True for a statement that runs alone and whose waiting keeps others waiting; concurrent work on an index does not. */
export function waitsInTheWay({ node }: ParsedStatement): boolean {
  if ('ReindexStmt' in node) return !isConcurrentReindex(node.ReindexStmt.params)
  return !('IndexStmt' in node || 'DropStmt' in node || 'AlterTableStmt' in node)
}

/** True when the options of a REINDEX say `concurrently`. */
export function isConcurrentReindex(params: readonly unknown[] | undefined): boolean {
  return JSON.stringify(params ?? []).includes('"defname":"concurrently"')
}

const ALONE = new Set([
  'AlterSystemStmt',
  'CreatedbStmt',
  'DropdbStmt',
  'CreateTableSpaceStmt',
  'DropTableSpaceStmt',
  'CreateSubscriptionStmt',
  'DropSubscriptionStmt',
])

/** True when the statements cannot be one transaction. */
export function needsStatements(statements: readonly ParsedStatement[]): boolean {
  return statements.some(runsAlone) || usesNewEnumValue(statements)
}

/** A value that ALTER TYPE adds cannot be used before that is committed, unless the type is new as well. */
function usesNewEnumValue(statements: readonly ParsedStatement[]): boolean {
  const created = new Set<string>()
  const added: string[] = []
  for (const { node } of statements) {
    if (added.some((value) => holdsLiteral(node, value))) return true
    if ('CreateEnumStmt' in node) created.add(JSON.stringify(node.CreateEnumStmt.typeName))
    if (!('AlterEnumStmt' in node)) continue
    const { newVal, oldVal, typeName } = node.AlterEnumStmt
    if (newVal !== undefined && oldVal === undefined && !created.has(JSON.stringify(typeName))) added.push(newVal)
  }
  return false
}

/** Whether a string constant of a statement is this text. */
export function holdsLiteral(node: unknown, value: string): boolean {
  return JSON.stringify(node).includes(`"sval":{"sval":${JSON.stringify(value)}}`)
}

function unwrap(
  text: string,
  statements: readonly ParsedStatement[],
): { text: string; statements: readonly ParsedStatement[] } {
  const [first, last] = [statements[0], statements.at(-1)]
  if (!first || !last || !isBegin(first) || statementKind(last) !== 'commit') return { text, statements }
  return { text: blank(blank(text, first), last), statements: statements.slice(1, -1) }
}

/** White space in place of a statement, so that all else keeps its offset. */
function blank(source: string, { start, end }: ParsedStatement): string {
  return source.slice(0, start) + ' '.repeat(end - start) + source.slice(end)
}

function isBegin({ node }: ParsedStatement): boolean {
  if (!('TransactionStmt' in node)) return false
  const { kind, options } = node.TransactionStmt
  // BEGIN ISOLATION LEVEL .. asks for more than a transaction: not silently dropped.
  return (kind === 'TRANS_STMT_BEGIN' || kind === 'TRANS_STMT_START') && options === undefined
}

const SAVEPOINTS = new Set(['TRANS_STMT_SAVEPOINT', 'TRANS_STMT_RELEASE', 'TRANS_STMT_ROLLBACK_TO'])

function refuse(file: string, statement: ParsedStatement): void {
  const { node, line, column } = statement
  if ('TransactionStmt' in node && !SAVEPOINTS.has(node.TransactionStmt.kind ?? '')) {
    const reason = `'${statementKind(statement)}' inside a migration, which is one transaction with its history row`
    const hint = "remove it; to run without a transaction, start the file with '-- imhotep:no-transaction'"
    throw new MigrationStatementError(file, line, column, reason, hint)
  }
  if ('CopyStmt' in node && !node.CopyStmt.filename) {
    const [reason, hint] = node.CopyStmt.is_from
      ? ['COPY FROM STDIN has no data here', 'write the rows as INSERT .. VALUES, or load them with psql']
      : ['COPY TO STDOUT has no reader here', 'remove it, and read the rows with psql']
    throw new MigrationStatementError(file, line, column, reason, hint)
  }
  if ('IndexStmt' in node && node.IndexStmt.concurrent && !node.IndexStmt.idxname) {
    const hint =
      'name the index, so that a run that was interrupted can be taken up: create index concurrently NAME on ..'
    throw new MigrationStatementError(file, line, column, 'a concurrent index without a name', hint)
  }
}
