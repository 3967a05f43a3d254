import { ImhotepError } from '@imhotep/base'
import { DatabaseError, type DatabaseErrorFields } from './database-error.ts'
import { findSqlstate } from './sqlstate.ts'

/** The fields of an ErrorResponse as the driver hands them over. */
interface ServerError {
  readonly code: string
  readonly message: string
  readonly severity?: string
  readonly detail?: string
  readonly hint?: string
  readonly position?: string
  readonly schema_name?: string
  readonly table_name?: string
  readonly column_name?: string
  readonly constraint_name?: string
  readonly routine?: string
}

/**
 * The error class that a failure of the driver or the server stands for. Errors of ours pass unchanged. The message names
 * tables and constraints, never the values of a row.
 */
export function toDatabaseError(error: unknown): ImhotepError {
  if (error instanceof ImhotepError) return error
  if (isServerError(error)) return fromServer(error)

  const text = error instanceof Error ? error.message : String(error)
  return new DatabaseError(`the database driver failed: ${text}`, { sqlstate: '58000' }, { cause: error })
}

/** Whether repeating the whole transaction may succeed: serialization failure, deadlock, lock timeout. Nothing else. */
export function isRetryable(error: unknown): error is DatabaseError {
  return error instanceof DatabaseError && ['40001', '40P01', '55P03'].includes(error.sqlstate)
}

/** A migration changed the columns of a statement that a connection had prepared; the driver forgets the plan. */
export function isStalePlan(error: unknown): boolean {
  return error instanceof DatabaseError && error.sqlstate === '0A000' && error.routine === 'RevalidateCachedQuery'
}

export function isServerError(error: unknown): error is ServerError {
  return error instanceof Error && error.name === 'PostgresError' && 'code' in error
}

function fromServer(error: ServerError): DatabaseError {
  const row = findSqlstate(error.code)
  const fields = readFields(error)
  const message = error.code.startsWith('22') ? withoutValues(error.message) : withoutShards(error.message, fields)
  // Our own functions and the parser give better advice than a table can; other hints of the server are about settings.
  const ownHint = /^(IM|42)/.test(error.code) ? error.hint : undefined
  // The driver's error is not kept as cause: it holds the statement, its parameters and the detail in plain text.
  return new row.error(message, fields, { hint: ownHint ?? row.hint })
}

function readFields(error: ServerError): DatabaseErrorFields {
  const fields = {
    sqlstate: error.code,
    schema: error.schema_name,
    table: error.table_name,
    column: error.column_name,
    constraint: error.constraint_name,
    position: error.position === undefined ? undefined : Number(error.position),
    detail: error.detail,
    routine: error.routine,
  }
  if (!error.code.startsWith('23') || fields.constraint !== undefined) return fields

  // A Citus worker reports the shard's names, in the text only.
  const constraint = /constraint "([^"]+)"/.exec(error.message)?.[1]
  const table = /(?:relation|table) "([^"]+)"/.exec(error.message)?.[1]
  return {
    ...fields,
    constraint: constraint && withoutShard(constraint),
    table: fields.table ?? (table && withoutShard(table)),
  }
}

/** Shard ids of Citus begin at 102008 and are appended to every name: `slots_pkey_102014`. */
function withoutShard(name: string): string {
  return name.replace(/_\d{6,}$/, '')
}

function withoutShards(message: string, fields: DatabaseErrorFields): string {
  const { constraint, sqlstate } = fields
  const fromWorker = sqlstate.startsWith('23') && constraint !== undefined && !message.includes(`"${constraint}"`)
  return fromWorker ? message.replace(/"([^"]+)"/g, (_, name: string) => `"${withoutShard(name)}"`) : message
}

/** Class 22 quotes the value that did not fit: a birth date, a phone number. */
function withoutValues(message: string): string {
  return message.replace(/"[^]*"/g, '"..."')
}
