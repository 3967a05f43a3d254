import { DatabaseError, type TextAnswer } from '@imhotep/postgres'
import { codeFrame } from '../../parse/code-frame.ts'
import { MigrationStatementError, type MigrationFailedError } from '../errors.ts'
import type { MigrationSession } from '../migration-session.ts'
import { cancellable } from '../run-script.ts'
import { failedMigration } from '../statement-failure.ts'
import { statementKind } from '../../parse/statement-kind.ts'
import { sentStatements, type SentStatement } from './bindings.ts'
import { lineInStack, type Answer, type KnexProject, type Query } from './create-knex.ts'
import { isRead } from './is-read.ts'
import { callMigration, type KnexMigration } from './knex-migration.ts'
import { Transcript } from './transcript.ts'

export interface RunOptions {
  /** What to do if it fails. */
  readonly hint: string
  /** Called before and behind each statement that is not only a read. */
  readonly before?: (statement: SentStatement) => Promise<void>
  readonly after?: (statementsDone: number) => Promise<void>
}

/**
 * Runs `up` or `down` on the session's connection and returns the SQL that it sent. Opening and closing the transaction is the caller's.
 * @throws MigrationFailedError with the line of the file that failed
 */
export async function runStep(
  session: MigrationSession,
  file: string,
  knex: KnexMigration,
  step: 'up' | 'down',
  options: RunOptions,
): Promise<string> {
  const transcript = new Transcript(file, knex.source)
  const failures = new WeakMap<Error, Failure>()

  const send = async (query: Query): Promise<Answer | Answer[]> => {
    if (query.control) {
      await session.connection.script(query.sql)
      transcript.control(query.sql)
      return { command: '', rowCount: 0, rows: [], fields: [] }
    }
    const statements = await sentStatements(query.sql, query.bindings, file)
    const answers: Answer[] = []
    for (const statement of statements) {
      if (knex.transaction) refuseControl(file, statement, query.line)
      const isChange = statement.parsed === null || !isRead(statement.parsed)
      if (isChange) await options.before?.(statement)
      const answer = await cancellable(session, () => session.connection.answer(statement.text))
      if (isChange) transcript.add(statement.text, query.line)
      if (isChange) await options.after?.(transcript.length)
      answers.push(toAnswer(answer, knex.project))
    }
    return answers.length === 1 && answers[0] ? answers[0] : answers
  }
  const sendAsDriver = async (query: Query) => {
    try {
      return await send(query)
    } catch (error) {
      throw asDriverError(error, query, failures)
    }
  }

  try {
    await callMigration(knex, step, sendAsDriver)
  } catch (error) {
    throw failureOf(error, file, knex, failures, options.hint)
  }
  return transcript.toText()
}

/** A COMMIT in the code's own SQL would end the transaction that the file shares with its history row. */
function refuseControl(file: string, { parsed }: SentStatement, line: number | null): void {
  if (!parsed || !('TransactionStmt' in parsed.node)) return
  const reason = `'${statementKind(parsed)}' inside a migration, which is one transaction with its history row`
  const hint = 'remove it; to run without a transaction: export const config = { transaction: false }'
  throw new MigrationStatementError(file, line ?? 1, 1, reason, hint)
}

/** Reads values as the project's own driver does, with the type parsers that the project may have set. */
function toAnswer({ command, count, columns, rows }: TextAnswer, { library }: KnexProject): Answer {
  const parsers = columns.map(({ type }) => library.driver?.types.getTypeParser(type) ?? ((text: string) => text))
  const read = (row: readonly (string | null)[]) =>
    Object.fromEntries(
      columns.map(({ name }, n) => {
        const value = row[n] ?? null
        return [name, value === null ? null : parsers[n]?.(value)]
      }),
    )
  const fields = columns.map(({ name, type }) => ({ name, dataTypeID: type }))
  return { command: command.split(' ')[0] ?? '', rowCount: count, rows: rows.map(read), fields }
}

interface Failure {
  readonly error: unknown
  readonly line: number | null
}

/**
 * The error as the code of a migration expects it of the driver pg. It is another object than the error itself, because
 * Knex writes the statement with all its values into the message.
 */
function asDriverError(error: unknown, { line }: Query, failures: WeakMap<Error, Failure>): Error {
  const shown = new Error(error instanceof Error ? error.message : String(error))
  if (error instanceof DatabaseError) {
    const { sqlstate: code, constraint, schema, table, column, detail } = error
    Object.assign(shown, { severity: 'ERROR', code, constraint, schema, table, column, detail })
  }
  failures.set(shown, { error, line })
  return shown
}

function failureOf(
  thrown: unknown,
  file: string,
  { path, source }: KnexMigration,
  failures: WeakMap<Error, Failure>,
  hint: string,
): Error {
  const known = thrown instanceof Error ? (failures.get(thrown) ?? failures.get(thrown.cause as Error)) : undefined
  const error = known?.error ?? thrown
  if (error instanceof MigrationStatementError) return error
  const line = known ? known.line : thrown instanceof Error ? lineInStack(thrown.stack ?? '', path) : null
  return failedAt(error, file, source, line, hint)
}

/** Wraps a failure with the line of the file's source. */
export function failedAt(
  error: unknown,
  file: string,
  source: string,
  line: number | null,
  hint: string,
): MigrationFailedError {
  const column = (source.split('\n')[(line ?? 1) - 1]?.search(/\S/) ?? 0) + 1
  const frame = line === null ? null : codeFrame(source, line, column)
  return failedMigration(error, { file, line, column: line === null ? null : column, frame }, hint)
}
