import type { ParsedFile } from '../../parse/parse-sql.ts'
import { MigrationStatementError, type MigrationFailedError } from '../errors.ts'
import type { MigrationFile } from '../migration-file.ts'
import { needsStatements, runsAlone, type TransactionMode } from '../transaction-mode.ts'
import { failedAt } from './ask-server.ts'
import type { KnexMigration } from './knex-migration.ts'
import { sourceLine } from './transcript.ts'

/** True for a Knex file whose code asked for what only the run can tell: its plan may differ. */
export function isGuessed({ notes = [] }: MigrationFile): boolean {
  return notes.some(({ step, kind }) => step === 'up' && kind === 'unknown')
}

/**
 * How a Knex file runs: as it says itself. What would fail for certain stops the run before anything is sent.
 * @throws MigrationStatementError, MigrationFailedError
 */
export function knexMode(file: MigrationFile, knex: KnexMigration, { text, statements }: ParsedFile): TransactionMode {
  const stopped = file.notes?.find(({ step, kind }) => step === 'up' && kind === 'stopped')
  if (stopped && !isGuessed(file)) throw stoppedAt(file, knex, stopped.line, stopped.message)
  const { transaction } = knex
  if (transaction && needsStatements(statements)) {
    const line = sourceLine(text, statements.find(runsAlone)?.line ?? 1)
    const reason = 'this cannot run inside a transaction'
    const hint = 'give it a file of its own with: export const config = { transaction: false }'
    throw new MigrationStatementError(file.file, line ?? 1, 1, reason, hint)
  }
  return { transactional: transaction, text, statements }
}

function stoppedAt(
  file: MigrationFile,
  knex: KnexMigration,
  line: number | null,
  message: string,
): MigrationFailedError {
  return failedAt(
    new Error(message),
    file.file,
    knex.source,
    line,
    'correct the file and run it again; nothing was applied',
  )
}
