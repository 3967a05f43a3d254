import { insertHistoryRow } from '../history-table.ts'
import type { MigrationSession } from '../migration-session.ts'
import { dropInvalidIndexes } from '../interrupted-statement.ts'
import type { FileWithRow } from '../run-transaction.ts'
import { sendScript, tryAgain } from '../run-script.ts'
import { errorOffset, failedMigration, placeAt } from '../statement-failure.ts'
import { runsAlone } from '../transaction-mode.ts'
import { runStep } from './ask-server.ts'
import { KnexInterruptedError } from './errors.ts'
import type { KnexBook } from './knex-book.ts'
import { setSearchPath } from './plan-files.ts'

/** A file may have taken another role, which need not be allowed to write the history. */
const RESET = 'reset session authorization; reset role;'

/**
 * Runs files, some of them Knex files, with their rows in one transaction: all are there, or nothing is.
 * @throws MigrationFailedError with the line of the file that failed
 */
export async function runKnexTransaction(
  session: MigrationSession,
  files: readonly FileWithRow[],
  book: KnexBook | null,
): Promise<void> {
  const label = files.map(({ prepared }) => prepared.file.file).join(', ')
  await tryAgain(session, label, async () => {
    await session.connection.script('begin')
    for (const one of files) await runInside(session, one, book)
    await session.connection.script('commit')
  })
}

async function runInside(session: MigrationSession, { prepared, row }: FileWithRow, book: KnexBook | null) {
  const { connection, table } = session
  const { file, text } = prepared
  await connection.script(`set local lock_timeout = '${session.statementLockTimeout}'`)
  // The text in the record is what the code has sent; its hash stays that of the plan, which does not depend on rows.
  const body = file.knex ? await runKnexFile(session, prepared, book) : await runSqlFile(session, file.file, text)
  const replace = row.kind === 'repeatable'
  await connection.script(
    `${RESET}\n${insertHistoryRow(table, { ...row, body: body ?? row.body }, { replace })}\nreset all`,
  )
}

async function runKnexFile(
  session: MigrationSession,
  { file }: FileWithRow['prepared'],
  book: KnexBook | null,
): Promise<string | null> {
  const { knex } = file
  if (!knex) return null
  await book?.open(session.connection, file.file)
  await startSession(session, knex.project.knexfile.searchPath)
  const hint = 'correct the file and run it again; it was taken back as a whole'
  const text = await runStep(session, file.file, knex, 'up', { hint })
  await session.connection.script(RESET)
  await book?.add(session.connection, file.file)
  return text
}

async function runSqlFile(session: MigrationSession, file: string, text: string): Promise<null> {
  try {
    await sendScript(session, text)
    return null
  } catch (error) {
    const offset = errorOffset(error, text)
    const place = offset === null ? { file, line: null, column: null, frame: null } : placeAt(file, text, offset)
    throw failedMigration(error, place, 'correct the file and run it again; it was taken back as a whole')
  }
}

/** What a connection of the project has set when a migration gets it. */
async function startSession({ connection }: MigrationSession, searchPath: readonly string[]): Promise<void> {
  if (searchPath.length > 0) await connection.script(setSearchPath(searchPath))
}

/**
 * Runs a Knex file that has no transaction. Its row is written first, as not successful, and counts the statements that
 * are done; since code cannot be taken up half-way, a run that was interrupted behind the first one needs a person.
 * @throws MigrationFailedError, KnexInterruptedError
 */
export async function runKnexStatements(
  session: MigrationSession,
  { prepared, row }: FileWithRow,
  book: KnexBook | null,
): Promise<void> {
  const { connection, table } = session
  const { file, row: earlier } = prepared
  const { knex } = file
  if (!knex) return
  if (earlier && earlier.statementsDone > 0) {
    throw new KnexInterruptedError(file.file, file.version, earlier.statementsDone)
  }
  const started = performance.now()
  await connection.script(insertHistoryRow(table, row, { success: false, replace: earlier !== null }))
  await book?.open(connection, file.file)
  const wait = `set lock_timeout = '${session.statementLockTimeout}'`
  await connection.script(wait)
  await startSession(session, knex.project.knexfile.searchPath)

  const count = `update ${table.sql} set statements_done = $1::int where version = $2`
  const text = await runStep(session, file.file, knex, 'up', {
    hint: 'what the file did before this line stays in the database',
    async before({ parsed }) {
      if (!parsed || !runsAlone(parsed)) return connection.script(wait)
      await dropInvalidIndexes(session, parsed)
      // It waits for old transactions without being in anybody's way.
      await connection.script('set lock_timeout = 0')
    },
    async after(done) {
      await connection.query(count, [done, row.version])
    },
  })
  await connection.script('begin')
  await connection.query(
    `update ${table.sql} set success = true, body = $2, duration_ms = $3::int where version = $1`,
    [row.version, text, Math.round(performance.now() - started)],
  )
  await book?.add(connection, file.file)
  await connection.script('commit')
}
