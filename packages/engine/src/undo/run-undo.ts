import { MigrationCancelledError } from '../migrate/errors.ts'
import { readHistoryRows, relink } from '../migrate/history-table.ts'
import { runStep } from '../migrate/knex/ask-server.ts'
import { setSearchPath } from '../migrate/knex/plan-files.ts'
import { knexBookOf } from '../migrate/knex/agree-with-knex.ts'
import type { KnexBook } from '../migrate/knex/knex-book.ts'
import type { MigrationFile } from '../migrate/migration-file.ts'
import type { MigrationSession } from '../migrate/migration-session.ts'
import { runOutside } from '../migrate/run-outside.ts'
import { runScript, tryAgain } from '../migrate/run-script.ts'
import { textLiteral } from '../migrate/sql-literal.ts'
import { failedMigration } from '../migrate/statement-failure.ts'
import { transactionMode } from '../migrate/transaction-mode.ts'
import { parseSql } from '../parse/parse-sql.ts'
import { diffScript } from '../diff/diff-script.ts'
import type { PlannedStep } from './undo-plan.ts'

const RESET = 'reset session authorization; reset role;'

/** Runs the steps; answers with the versions that were taken back. Each is whole: its statements and its row, or nothing. */
export async function runUndo(
  session: MigrationSession,
  files: readonly MigrationFile[],
  steps: readonly PlannedStep[],
): Promise<string[]> {
  const undone: string[] = []
  const book = await knexBookOf(session.connection, files)
  for (const step of steps) {
    if (session.signal?.aborted) throw new MigrationCancelledError(undone, null)
    await session.lock.check()
    session.progress(`taking back ${step.file}`)
    try {
      await (step.knex ? runDown(session, step, step.knex, book) : runText(session, step, book))
    } catch (error) {
      if (session.signal?.aborted) throw new MigrationCancelledError(undone, step.file)
      const place = { file: step.undo?.file ?? step.file, line: null, column: null, frame: null }
      throw failedMigration(
        error,
        place,
        'the version is still applied; write or correct its undo file and run it again',
      )
    }
    // Only a version applied out of order has links behind it.
    await relinkRest(session)
    undone.push(step.version)
  }
  return undone
}

async function runText(session: MigrationSession, step: PlannedStep, book: KnexBook | null): Promise<void> {
  await book?.checkLock(session.connection)
  const text = step.undo ? (step.statements[0]?.sql ?? '') : diffScript(step.statements)
  const mode = transactionMode(await parseSql(text, step.undo?.file ?? step.file))
  const remove = removalOf(session, step, book)
  if (mode.transactional) {
    const wait = `set local lock_timeout = '${session.statementLockTimeout}';`
    await runScript(session, `begin;\n${wait}\n${mode.text}\n;\n${RESET}\n${remove}\nreset all;\ncommit;`, step.file)
    return
  }
  // Written to be run twice, as such files have to be: interrupted, it runs from its start.
  for (const n of mode.statements.keys()) await runOutside(session, mode.statements, n, { label: step.file })
  await runScript(session, `begin;\n${RESET}\n${remove}\nreset all;\ncommit;`, step.file)
}

async function relinkRest(session: MigrationSession): Promise<void> {
  const { connection, table } = session
  await relink(connection, table, await readHistoryRows(connection, table))
}

/** Takes the version out of the history, and of Knex's table where there is one: else it would be taken over again. */
function removalOf({ table }: MigrationSession, { row }: PlannedStep, book: KnexBook | null): string {
  return `delete from ${table.sql} where version = ${textLiteral(row.version)};\n${book?.removal(row.file) ?? ''}`
}

async function runDown(
  session: MigrationSession,
  step: PlannedStep,
  file: MigrationFile,
  book: KnexBook | null,
): Promise<void> {
  const { connection } = session
  const { knex } = file
  if (!knex) return
  const path = knex.project.knexfile.searchPath
  const runInside = async (local: 'local' | '') => {
    await connection.script(`set ${local} lock_timeout = '${session.statementLockTimeout}'`)
    await book?.checkLock(connection)
    if (path.length > 0) await connection.script(setSearchPath(path))
    await runStep(session, file.file, knex, 'down', {
      hint: 'the version is still applied; correct its down and run it again',
    })
  }
  const end = `${RESET}\n${removalOf(session, step, book)}\nreset all;\ncommit`
  if (!knex.transaction) {
    await runInside('')
    return runScript(session, `begin;\n${end}`, step.file)
  }
  await tryAgain(session, step.file, async () => {
    await connection.script('begin')
    await runInside('local')
    await connection.script(end)
  })
}
