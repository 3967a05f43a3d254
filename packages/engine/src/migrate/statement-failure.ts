import { DatabaseError } from '@imhotep/postgres'
import { codeFrame } from '../parse/code-frame.ts'
import { characterOffset, lineColumns } from '../parse/offsets.ts'
import { CONNECTION_LOST, MigrationFailedError, type FailurePlace } from './errors.ts'

/** The SQLSTATE of a database error, also when it is wrapped with its place; null for any other. */
export function sqlstateOf(error: unknown): string | null {
  return error instanceof DatabaseError || error instanceof MigrationFailedError ? error.sqlstate : null
}

/** "Cannot run inside a transaction block" and "invalid transaction termination": the block was taken back whole. */
export const REFUSES_TRANSACTION: ReadonlySet<string | null> = new Set(['25001', '2D000'])

/** Where in the message PostgreSQL says the error is, UTF-16 units; null when it does not say. */
export function errorOffset(error: unknown, message: string): number | null {
  if (!(error instanceof DatabaseError) || error.position === undefined) return null
  return characterOffset(message, error.position - 1)
}

/** The place in a file of an offset (UTF-16 units), with its code frame. */
export function placeAt(file: string, text: string, offset: number): FailurePlace {
  const { line, column } = lineColumns(text)(offset)
  return { file, line, column, frame: codeFrame(text, line, column) }
}

/** Wraps what PostgreSQL said with the place in the file and the way out. */
export function failedMigration(error: unknown, place: FailurePlace, hint: string): MigrationFailedError {
  const reason = error instanceof Error ? error.message : String(error)
  return new MigrationFailedError(place, sqlstateOf(error), reason, { cause: error, hint: hintFor(error) ?? hint })
}

function hintFor(error: unknown): string | null {
  switch (sqlstateOf(error)) {
    case '55P03':
      return 'a long transaction holds the table: end it (see pg_stat_activity), then run this again'
    case '42501':
      return 'connect as the owner of the schema, not as the application'
    case CONNECTION_LOST:
      return 'nobody knows whether it was committed: check that the server runs, then run this again; change no file before'
    default:
      return null
  }
}
