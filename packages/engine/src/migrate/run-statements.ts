import { normalisedHash } from '../parse/normalised-hash.ts'
import { parseSql, type ParsedStatement } from '../parse/parse-sql.ts'
import { MigrationEditedError } from './errors.ts'
import { diffOfApplied } from './check-history.ts'
import { insertHistoryRow, readBody, type HistoryRow, type NewHistoryRow } from './history-table.ts'
import type { MigrationSession } from './migration-session.ts'
import type { PreparedFile } from './prepare-files.ts'
import { fillPlaceholders } from './placeholders.ts'
import { asLogin, openingOf, runOutside } from './run-outside.ts'
import { textLiteral } from './sql-literal.ts'
import { errorOffset, failedMigration, placeAt } from './statement-failure.ts'
import { transactionMode } from './transaction-mode.ts'

/**
 * Runs a file that cannot be one transaction, statement by statement. Its row is written first, as not successful, and
 * counts the statements that are done; an interrupted file goes on from there. A statement that can be in a transaction
 * is, together with its count; one that cannot is looked for in the database before it is run a second time. Code that
 * commits by itself runs again from its start.
 * @throws MigrationFailedError, MigrationEditedError when statements that were already done have changed
 */
export async function runStatements(
  session: MigrationSession,
  prepared: PreparedFile,
  row: NewHistoryRow,
  placeholders: Readonly<Record<string, string>> | undefined,
): Promise<void> {
  const interrupted = prepared.row?.success === false ? prepared.row : null
  if (interrupted) await checkDone(session, prepared, interrupted, placeholders)
  const done = interrupted?.statementsDone ?? 0
  const started = performance.now()
  await session.connection.script(`begin;\n${startRow(session, prepared, row, done)}\ncommit;`)
  await repeatSettings(session, prepared.statements.slice(0, done))

  for (const [n, statement] of prepared.statements.entries()) {
    if (n < done) continue
    session.signal?.throwIfAborted()
    try {
      await runOutside(session, prepared.statements, n, {
        label: `${prepared.file.file}:${statement.line}`,
        record: `update ${session.table.sql} set statements_done = ${n + 1} where version = ${textLiteral(row.version)}`,
        secondTime: interrupted !== null && n === done,
      })
    } catch (error) {
      throw failedStatement(session, prepared, n, error)
    }
  }

  const ms = Math.round(performance.now() - started)
  await session.connection.script(
    `begin;\n${asLogin(prepared.statements)}` +
      `update ${session.table.sql} set success = true, duration_ms = duration_ms + ${ms} where version = ${textLiteral(row.version)};\ncommit`,
  )
}

/** What was done must still be what the file says: the rest is only right behind it. */
async function checkDone(
  session: MigrationSession,
  prepared: PreparedFile,
  row: HistoryRow,
  placeholders: Readonly<Record<string, string>> | undefined,
): Promise<void> {
  if (row.checksum.equals(prepared.file.checksum)) return
  const body = await readBody(session.connection, session.table, row.version)
  const { file } = prepared.file
  const recorded = transactionMode(await parseSql(fillPlaceholders(body, placeholders, file), file)).statements
  for (let n = 0; n < row.statementsDone; n++) {
    const [before, now] = [recorded[n]?.text ?? '', prepared.statements[n]?.text ?? '']
    if ((await normalisedHash(before)) === (await normalisedHash(now))) continue
    throw new MigrationEditedError([{ version: row.version, file, diff: diffOfApplied(body, prepared.file) }])
  }
}

function startRow(session: MigrationSession, prepared: PreparedFile, row: NewHistoryRow, done: number): string {
  const insert = insertHistoryRow(session.table, row, { success: false, replace: prepared.row !== null })
  return `${insert}\nupdate ${session.table.sql} set statements_done = ${done} where version = ${textLiteral(row.version)};`
}

/** A new session does not know what `set ..` the done part of the file had made. */
async function repeatSettings(session: MigrationSession, done: readonly ParsedStatement[]): Promise<void> {
  for (const statement of done) {
    if (statement.kind === 'VariableSetStmt') await session.connection.script(statement.text)
  }
}

function failedStatement(session: MigrationSession, prepared: PreparedFile, n: number, error: unknown): Error {
  const statement = prepared.statements[n]
  const opening = openingOf(session, prepared.statements, n)
  const inMessage = errorOffset(error, opening + (statement?.text ?? '')) ?? 0
  const offset = (statement?.start ?? 0) + Math.max(0, inMessage - opening.length)
  const own = ['DoStmt', 'CallStmt'].includes(statement?.kind ?? '')
    ? ', and what this one has committed by itself'
    : ''
  const hint = `correct the file from this statement on and run it again: the ${n} statements before it are done and stay${own}`
  return failedMigration(error, placeAt(prepared.file.file, prepared.text, offset), hint)
}
