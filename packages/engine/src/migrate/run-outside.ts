import type { ParsedStatement } from '../parse/parse-sql.ts'
import { dropInvalidIndexes, finishInterrupted } from './interrupted-statement.ts'
import type { MigrationSession } from './migration-session.ts'
import { runScript, sendScript } from './run-script.ts'
import { REFUSES_TRANSACTION, sqlstateOf } from './statement-failure.ts'
import { runsAlone, waitsInTheWay } from './transaction-mode.ts'

export interface OutsideOptions {
  /** How the statement is called in progress. */
  readonly label: string
  /** SQL that records the statement as done: in the same transaction where it can be in one, else behind it. */
  readonly record?: string
  /** An earlier run may have been interrupted in this statement: it is looked for in the database first. */
  readonly secondTime?: boolean
}

/** Runs one statement of a file that is no transaction. The text that is sent has the statement at `openingOf(..).length`. */
export async function runOutside(
  session: MigrationSession,
  statements: readonly ParsedStatement[],
  n: number,
  { label, record = '', secondTime = false }: OutsideOptions,
): Promise<void> {
  const statement = statements[n]
  if (!statement) return
  const opening = openingOf(session, statements, n)
  const recorded = record === '' ? '' : `${asLogin(statements.slice(0, n + 1))}${record};\n`
  const canRepeat = runsAlone(statement)
  if (!canRepeat) {
    try {
      await runScript(session, `${opening}${statement.text}\n;\n${recorded}commit`, label)
      return
    } catch (error) {
      if (!REFUSES_TRANSACTION.has(sqlstateOf(error))) throw error
    }
  }
  if (!(secondTime && (await finishInterrupted(session.connection, statement)))) {
    await dropInvalidIndexes(session, statement)
    const limit = waitsInTheWay(statement) && !hasOwnTimeout(statements.slice(0, n))
    if (limit) await session.connection.script(`set lock_timeout = '${session.statementLockTimeout}'`)
    const text = opening.replaceAll(/[^\n]/g, ' ') + statement.text
    // What commits by itself has perhaps done a part when it fails.
    if (canRepeat) await runScript(session, text, label, () => dropInvalidIndexes(session, statement))
    else await sendScript(session, text)
    if (limit) await session.connection.script('reset lock_timeout')
  }
  if (recorded !== '') await session.connection.script(`begin;\n${recorded}commit`)
}

/** What opens the transaction of a statement; a statement that runs alone has white space of the same length before it. */
export function openingOf(session: MigrationSession, statements: readonly ParsedStatement[], n: number): string {
  const limit = hasOwnTimeout(statements.slice(0, n))
    ? ''
    : `set local lock_timeout = '${session.statementLockTimeout}';\n`
  return `begin;\n${limit}`
}

/** Whether statements have said for the rest of the session how long to wait for a lock. */
function hasOwnTimeout(statements: readonly ParsedStatement[]): boolean {
  let own = false
  for (const { node } of statements) {
    if (!('VariableSetStmt' in node)) continue
    const { name, kind, is_local: isLocal } = node.VariableSetStmt
    if (kind === 'VAR_RESET_ALL') own = false
    else if (name === 'lock_timeout' && !isLocal) own = kind === 'VAR_SET_VALUE'
  }
  return own
}

/** For the rest of a transaction the role of the connection, whatever role the statements have taken: they keep it behind it. */
export function asLogin(statements: readonly ParsedStatement[]): string {
  const sets = (setting: string) =>
    statements.some(({ node }) => 'VariableSetStmt' in node && node.VariableSetStmt.name === setting)
  const user = sets('session_authorization') ? 'set local session authorization default;\n' : ''
  return user + (sets('role') || user !== '' ? 'set local role none;\n' : '')
}
