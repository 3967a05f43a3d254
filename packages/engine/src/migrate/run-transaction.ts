import type { FailurePlace, MigrationFailedError } from './errors.ts'
import { insertHistoryRow, type NewHistoryRow } from './history-table.ts'
import type { MigrationSession } from './migration-session.ts'
import type { PreparedFile } from './prepare-files.ts'
import { runScript, sendScript } from './run-script.ts'
import { errorOffset, failedMigration, placeAt, REFUSES_TRANSACTION, sqlstateOf } from './statement-failure.ts'

/** A file with the row that records it. */
export interface FileWithRow {
  readonly prepared: PreparedFile
  readonly row: NewHistoryRow
}

/**
 * Runs files and writes their rows as one transaction in one simple query message: all are there, or nothing is. A
 * row's duration is measured from the start of the message.
 * @throws MigrationFailedError with the place of the statement that failed
 */
export async function runTransaction(session: MigrationSession, files: readonly FileWithRow[]): Promise<void> {
  const message = messageOf(session, files)
  try {
    await runScript(session, message.text, files.map(({ prepared }) => prepared.file.file).join(', '))
  } catch (error) {
    throw await locateFailure(session, message, error)
  }
}

/** A file may have taken another role, which need not be allowed to write the history. */
const RESET_ROLE = 'reset session authorization; reset role;'

/** Seeds call many functions a few times each: planning anew costs more than a better plan gives. */
const SEED_SETTINGS = 'set local plan_cache_mode = force_generic_plan; set local jit = off;\n'

/** Seeds do not wait for the disk: one that a crash of the server takes back takes its row in the history with it. */
const SEED_COMMIT = 'set local synchronous_commit = off; commit;'

interface Message {
  readonly text: string
  /** Where each file's text starts in the message, UTF-16 units. */
  readonly parts: readonly { readonly prepared: PreparedFile; readonly start: number }[]
}

function messageOf(session: MigrationSession, files: readonly FileWithRow[]): Message {
  const parts: { prepared: PreparedFile; start: number }[] = []
  let text = 'begin;\n'
  for (const { prepared, row } of files) {
    text += `set local lock_timeout = '${session.statementLockTimeout}';\n${row.kind === 'seed' ? SEED_SETTINGS : ''}`
    parts.push({ prepared, start: text.length })
    const replace = row.kind === 'repeatable' || row.kind === 'seed'
    // The file may end in a comment or without semicolon.
    text += `${prepared.text}\n;\n${RESET_ROLE}\n${insertHistoryRow(session.table, row, { replace })}\nreset all;\n`
  }
  // `reset all` resets how the commit waits, too: what is to hold for it stands behind.
  return { text: text + (files.every(({ row }) => row.kind === 'seed') ? SEED_COMMIT : 'commit;'), parts }
}

/**
 * PostgreSQL names a position only for what fails before it runs. For the rest the files are run once more, statement
 * by statement, in a transaction that is rolled back whatever happens.
 */
async function locateFailure(
  session: MigrationSession,
  message: Message,
  error: unknown,
): Promise<MigrationFailedError> {
  const place = placeInMessage(message, error) ?? (await replay(session, message))
  const hint = REFUSES_TRANSACTION.has(sqlstateOf(error))
    ? "to run without a transaction, start the file with '-- imhotep:no-transaction'"
    : 'correct the file and run it again; it was taken back as a whole'
  return failedMigration(error, place, hint)
}

function placeInMessage({ text, parts }: Message, error: unknown): FailurePlace | null {
  const offset = errorOffset(error, text)
  if (offset === null) return null
  const part = parts.findLast(({ start }) => start <= offset)
  if (!part || offset > part.start + part.prepared.text.length) return null
  return placeAt(part.prepared.file.file, part.prepared.text, offset - part.start)
}

async function replay(session: MigrationSession, { parts }: Message): Promise<FailurePlace> {
  const names = parts.map(({ prepared }) => prepared.file.file).join(', ')
  const unknown = { file: names, line: null, column: null, frame: null }
  if (session.signal?.aborted) return unknown
  const { connection } = session
  try {
    await connection.script('begin')
    for (const { prepared } of parts) {
      await connection.script(`set local lock_timeout = '${session.statementLockTimeout}'`)
      for (const statement of prepared.statements) {
        const failed = await sendScript(session, statement.text).then(
          () => false,
          () => true,
        )
        if (failed) return placeAt(prepared.file.file, prepared.text, statement.start)
      }
      await connection.script(`${RESET_ROLE} reset all`)
    }
    return unknown
  } catch {
    return unknown // the connection is gone: nothing more to be learnt
  } finally {
    await connection.script('rollback').catch(() => undefined)
  }
}
