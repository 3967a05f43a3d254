import { ImhotepError, type ExitCode, type ImhotepErrorOptions } from '@imhotep/base'

export type ErrorCode = `IMH_${string}`

/** What PostgreSQL says about a failure beside its text. */
export interface DatabaseErrorFields {
  /** Five characters, e.g. '23505'. '08006' when the connection broke before the server could say anything. */
  readonly sqlstate: string
  readonly constraint?: string | undefined
  readonly schema?: string | undefined
  readonly table?: string | undefined
  readonly column?: string | undefined
  /** Character (1-based) of the statement's text that a syntax or name error points at. */
  readonly position?: number | undefined
  /** May hold values of the refused row: for programs only, never part of a message. */
  readonly detail?: string | undefined
  /** Function of the server that reported it: the same in all languages. */
  readonly routine?: string | undefined
}

/** A failure that the database reported. The subclass says which; `sqlstates` in sqlstate.ts lists them all. */
export class DatabaseError extends ImhotepError {
  readonly code: ErrorCode = 'IMH_DATABASE'
  override readonly exitCode: ExitCode = 2
  readonly sqlstate: string
  readonly constraint: string | undefined
  readonly schema: string | undefined
  readonly table: string | undefined
  readonly column: string | undefined
  readonly position: number | undefined
  readonly routine: string | undefined
  declare readonly detail: string | undefined

  constructor(message: string, fields: DatabaseErrorFields, options: ImhotepErrorOptions = {}) {
    super(message, options)
    this.sqlstate = fields.sqlstate
    this.constraint = fields.constraint
    this.schema = fields.schema
    this.table = fields.table
    this.column = fields.column
    this.position = fields.position
    this.routine = fields.routine
    // Not enumerable: console.log and JSON.stringify of an error must not print a patient's row.
    Object.defineProperty(this, 'detail', { value: fields.detail, enumerable: false })
  }
}

/** An operation of the schema said no: a SQLSTATE of class IM. Each has a subclass as soon as a caller may react to it. */
export class OperationRefusedError extends DatabaseError {
  override readonly code: ErrorCode = 'IMH_OPERATION_REFUSED'
  override readonly exitCode: ExitCode = 1
}

/** A constraint of a table said no: SQLSTATE class 23. `constraint` names it. */
export class ConstraintError extends DatabaseError {
  override readonly code: ErrorCode = 'IMH_CONSTRAINT'
  override readonly exitCode: ExitCode = 1
}

/** The connection broke while a statement was under way; nothing of an open transaction was kept. */
export class ConnectionLostError extends DatabaseError {
  override readonly code: ErrorCode = 'IMH_CONNECTION_LOST'
}

/** The connection broke during COMMIT: whether the transaction was kept is not known. */
export class CommitUnknownError extends ConnectionLostError {
  override readonly code = 'IMH_COMMIT_UNKNOWN'

  constructor(options: ErrorOptions = {}) {
    super(
      'the connection broke during commit: whether the transaction was kept is not known',
      { sqlstate: '08007' },
      { ...options, hint: 'send the same operation again with the same idempotency key' },
    )
  }
}
