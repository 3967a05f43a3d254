import type { ExitCode } from '@imhotep/base'
import {
  ConnectionLostError,
  ConstraintError,
  DatabaseError,
  OperationRefusedError,
  type DatabaseErrorFields,
  type ErrorCode,
} from './database-error.ts'

// One table: SQLSTATE -> error class, public code, meaning and way out. A row may name a whole class by its first two
// characters; the longest match wins. Class IM is the schema's own (classes that start with I to Z are free for it).

export type DatabaseErrorClass = new (
  message: string,
  fields: DatabaseErrorFields,
  options?: { hint?: string },
) => DatabaseError

export interface SqlstateRow {
  readonly sqlstates: readonly string[]
  readonly code: ErrorCode
  readonly meaning: string
  readonly hint: string
  readonly error: DatabaseErrorClass
}

export const sqlstates: SqlstateRow[] = []

interface Definition {
  readonly sqlstate: string | readonly string[]
  readonly code: ErrorCode
  readonly meaning: string
  readonly hint: string
  readonly exitCode?: ExitCode
  readonly base?: typeof DatabaseError
}

/** Makes the error class of one row and enters the row in the table. */
function define(name: string, definition: Definition): DatabaseErrorClass {
  const { code, meaning, hint, exitCode = 1, base = DatabaseError } = definition
  const error = class extends base {
    override readonly code: ErrorCode = code
    override readonly exitCode: ExitCode = exitCode

    constructor(message: string, fields: DatabaseErrorFields, options: { hint?: string } = {}) {
      super(message, fields, { hint: options.hint ?? hint })
    }
  }
  Object.defineProperty(error, 'name', { value: name })
  sqlstates.push({ sqlstates: [definition.sqlstate].flat(), code, meaning, hint, error })
  return error
}

/** A row of class IM: the schema's own refusals. */
function refuse(sqlstate: string, name: string, code: ErrorCode, meaning: string, hint: string): DatabaseErrorClass {
  return define(name, { sqlstate, code, meaning, hint, base: OperationRefusedError })
}

// ---- general refusals of the schema's operations ----
export const IllegalTransitionError = refuse(
  'IM001',
  'IllegalTransitionError',
  'IMH_ILLEGAL_TRANSITION',
  'the state machine has no such move',
  'read the row again, core.transition_rules lists the moves that are allowed from its state',
)
export const ReasonRequiredError = refuse(
  'IM002',
  'ReasonRequiredError',
  'IMH_REASON_REQUIRED',
  'this move needs a reason',
  'send a reason with the request',
)
export const NoTenantContextError = refuse(
  'IM003',
  'NoTenantContextError',
  'IMH_NO_TENANT_CONTEXT',
  'no tenant is set in this transaction',
  'call core.begin_request first in the transaction; in TypeScript use withTenant',
)
export const StaleVersionError = refuse(
  'IM004',
  'StaleVersionError',
  'IMH_STALE_VERSION',
  'somebody changed the row since it was read',
  'read the row again and repeat the change on its new version',
)
export const NotFoundError = refuse(
  'IM005',
  'NotFoundError',
  'IMH_NOT_FOUND',
  'the row does not exist in this tenant, or is deleted',
  'check the id and the tenant',
)
export const NotPermittedError = refuse(
  'IM006',
  'NotPermittedError',
  'IMH_NOT_PERMITTED',
  'the user may not do this',
  'use an account whose role has the permission, or ask a second person where four eyes are required',
)
export const LegalHoldError = refuse(
  'IM007',
  'LegalHoldError',
  'IMH_LEGAL_HOLD',
  'a legal hold covers the row',
  'release the hold first, or leave the row as it is',
)
export const RequestInProgressError = refuse(
  'IM010',
  'RequestInProgressError',
  'IMH_REQUEST_IN_PROGRESS',
  'the same request is being worked on',
  'wait a moment and send the same request with the same key again',
)
export const IdempotencyKeyReusedError = refuse(
  'IM011',
  'IdempotencyKeyReusedError',
  'IMH_IDEMPOTENCY_KEY_REUSED',
  'the idempotency key was used before with other content',
  'use a new key for a new request',
)

// ---- booking and queue ----
export const NoSuchSlotError = refuse(
  'IM100',
  'NoSuchSlotError',
  'IMH_NO_SUCH_SLOT',
  'the slot does not exist or is not open',
  'ask for the open slots again and choose one of them',
)
export const SlotFullError = refuse(
  'IM101',
  'SlotFullError',
  'IMH_SLOT_FULL',
  'the slot has no place left',
  'choose another slot',
)
export const SlotPastError = refuse(
  'IM102',
  'SlotPastError',
  'IMH_SLOT_PAST',
  'the slot has begun or is over',
  'choose a slot in the future',
)
export const PatientClashError = refuse(
  'IM103',
  'PatientClashError',
  'IMH_PATIENT_CLASH',
  'the patient has another appointment at that time',
  'choose another time, or cancel the other appointment first',
)
export const HoldExpiredError = refuse(
  'IM104',
  'HoldExpiredError',
  'IMH_HOLD_EXPIRED',
  'the hold on the slot is over',
  'hold the slot again, then confirm',
)
export const DoctorAwayError = refuse(
  'IM105',
  'DoctorAwayError',
  'IMH_DOCTOR_AWAY',
  'the doctor is away at that time',
  'choose another doctor or another day',
)
export const PatientBlockedError = refuse(
  'IM106',
  'PatientBlockedError',
  'IMH_PATIENT_BLOCKED',
  'the patient record is merged or blocked',
  'use the surviving record of the patient',
)
export const NotHolderError = refuse(
  'IM107',
  'NotHolderError',
  'IMH_NOT_HOLDER',
  'somebody else holds the slot',
  'confirm with the key that made the hold, or choose another slot',
)
export const TooLateError = refuse(
  'IM108',
  'TooLateError',
  'IMH_TOO_LATE',
  'it is too late to change this appointment',
  'ask the front desk to decide',
)
export const QueueClosedError = refuse(
  'IM150',
  'QueueClosedError',
  'IMH_QUEUE_CLOSED',
  'the queue is closed',
  'open the queue for the day, or choose another queue',
)
export const TokenAlreadyIssuedError = refuse(
  'IM151',
  'TokenAlreadyIssuedError',
  'IMH_TOKEN_ALREADY_ISSUED',
  'the appointment has a token already',
  'use the token that was issued',
)
export const TokenExpiredError = refuse(
  'IM152',
  'TokenExpiredError',
  'IMH_TOKEN_EXPIRED',
  'the token is expired',
  'issue a new token',
)
export const QueueEmptyError = refuse(
  'IM153',
  'QueueEmptyError',
  'IMH_QUEUE_EMPTY',
  'nobody waits in the queue',
  'wait until somebody checks in',
)

// ---- patients ----
export const DuplicateIdentifierError = refuse(
  'IM210',
  'DuplicateIdentifierError',
  'IMH_DUPLICATE_IDENTIFIER',
  'another patient has this identifier',
  'open the existing record, or correct the identifier',
)
export const LikelyDuplicateError = refuse(
  'IM211',
  'LikelyDuplicateError',
  'IMH_LIKELY_DUPLICATE',
  'a patient very much like this one exists',
  'choose one of the candidates, or register with force and a reason',
)
export const InvalidPatientDataError = refuse(
  'IM212',
  'InvalidPatientDataError',
  'IMH_INVALID_PATIENT_DATA',
  'the medical record number or a date is malformed',
  'correct the number or the date',
)
export const AbhaConflictError = refuse(
  'IM213',
  'AbhaConflictError',
  'IMH_ABHA_CONFLICT',
  'both records have their own ABHA number',
  'unlink one of the numbers first',
)
export const OpenAdmissionsError = refuse(
  'IM214',
  'OpenAdmissionsError',
  'IMH_OPEN_ADMISSIONS',
  'both records have an open admission',
  'close one of the admissions first',
)

// ---- numbers ----
export const SeriesNotConfiguredError = refuse(
  'IM551',
  'SeriesNotConfiguredError',
  'IMH_SERIES_NOT_CONFIGURED',
  'the number series is not configured',
  'add the series to core.id_sequences',
)
export const NumberTooLongError = refuse(
  'IM552',
  'NumberTooLongError',
  'IMH_NUMBER_TOO_LONG',
  'the next number is longer than the series allows',
  'start a new series or raise its max_len',
)

// ---- webhooks and outbox ----
export const LeaseLostError = refuse(
  'IM850',
  'LeaseLostError',
  'IMH_LEASE_LOST',
  'another worker holds the event now',
  'drop the result: the other worker reports its own',
)
export const EventNotProcessingError = refuse(
  'IM851',
  'EventNotProcessingError',
  'IMH_EVENT_NOT_PROCESSING',
  'the event is not being processed',
  'claim an event with webhook.claim_next_event first',
)
export const EndpointDisabledError = refuse(
  'IM852',
  'EndpointDisabledError',
  'IMH_ENDPOINT_DISABLED',
  'the webhook endpoint is disabled or paused',
  'enable the endpoint first',
)
export const EventTypeNotTakenError = refuse(
  'IM853',
  'EventTypeNotTakenError',
  'IMH_EVENT_TYPE_NOT_TAKEN',
  'the webhook endpoint does not take this type of event',
  'add the type to event_types of the endpoint, or send it elsewhere',
)

// ---- compliance and break glass ----
export const RetentionHoldError = refuse(
  'IM910',
  'RetentionHoldError',
  'IMH_RETENTION_HOLD',
  'a legal hold forbids the erasure',
  'release the hold first',
)
export const RetentionMinimumError = refuse(
  'IM911',
  'RetentionMinimumError',
  'IMH_RETENTION_MINIMUM',
  'the legal minimum of retention is not over',
  'wait until the retention period ends',
)
export const NoticeMissingError = refuse(
  'IM912',
  'NoticeMissingError',
  'IMH_NOTICE_MISSING',
  'the person was not told in time',
  'send the notice and wait 48 hours',
)
export const BreakGlassReasonError = refuse(
  'IM920',
  'BreakGlassReasonError',
  'IMH_BREAK_GLASS_REASON',
  'the reason for breaking the glass is too short',
  'say in a sentence why the record is needed now',
)
export const BreakGlassOpenError = refuse(
  'IM921',
  'BreakGlassOpenError',
  'IMH_BREAK_GLASS_OPEN',
  'break-glass access to this patient is open already',
  'use the access that is open',
)
sqlstates.push({
  sqlstates: ['IM'],
  code: 'IMH_OPERATION_REFUSED',
  meaning: 'an operation of the schema refused the request',
  hint: 'the message says why; the README of the module lists its failure codes',
  error: OperationRefusedError,
})

// ---- constraints ----
export const UniqueViolationError = define('UniqueViolationError', {
  sqlstate: '23505',
  code: 'IMH_UNIQUE_VIOLATION',
  meaning: 'a row with the same key exists',
  hint: 'use the row that exists, or choose another key',
  base: ConstraintError,
})
export const ForeignKeyViolationError = define('ForeignKeyViolationError', {
  sqlstate: '23503',
  code: 'IMH_FOREIGN_KEY_VIOLATION',
  meaning: 'a row that is referred to is missing, or still referred to',
  hint: 'create the referenced row first, or delete the rows that refer to it first',
  base: ConstraintError,
})
export const CheckViolationError = define('CheckViolationError', {
  sqlstate: ['23514', '44000'],
  code: 'IMH_CHECK_VIOLATION',
  meaning: 'a value breaks a rule of the table',
  hint: 'correct the value; the name of the constraint says the rule',
  base: ConstraintError,
})
export const NotNullViolationError = define('NotNullViolationError', {
  sqlstate: '23502',
  code: 'IMH_NOT_NULL_VIOLATION',
  meaning: 'a required value is missing',
  hint: 'send a value for the column',
  base: ConstraintError,
})
export const ExclusionViolationError = define('ExclusionViolationError', {
  sqlstate: '23P01',
  code: 'IMH_EXCLUSION_VIOLATION',
  meaning: 'another row covers part of the same range',
  hint: 'choose another time or place',
  base: ConstraintError,
})
sqlstates.push({
  sqlstates: ['23'],
  code: 'IMH_CONSTRAINT',
  meaning: 'a constraint refused the row',
  hint: 'correct the value; the name of the constraint says the rule',
  error: ConstraintError,
})

// ---- conflicts between transactions: these three, and no others, are worth a retry ----
export const SerializationFailureError = define('SerializationFailureError', {
  sqlstate: '40001',
  code: 'IMH_SERIALIZATION_FAILURE',
  meaning: 'a concurrent transaction changed what this one read',
  hint: 'repeat the transaction',
})
export const DeadlockError = define('DeadlockError', {
  sqlstate: '40P01',
  code: 'IMH_DEADLOCK',
  meaning: 'two transactions waited for each other and this one was ended',
  hint: 'repeat the transaction; lock rows in the order of their ids',
})
export const LockTimeoutError = define('LockTimeoutError', {
  sqlstate: '55P03',
  code: 'IMH_LOCK_TIMEOUT',
  meaning: 'a lock was not granted in time',
  hint: 'repeat when the other transaction is over; pg_stat_activity shows who holds the lock',
})

// ---- access ----
export const AuthenticationFailedError = define('AuthenticationFailedError', {
  sqlstate: ['28P01', '28000'],
  code: 'IMH_AUTHENTICATION_FAILED',
  meaning: 'the server refused the user or the password',
  hint: 'check user and password in the connection string',
  exitCode: 2,
})
export const DatabaseMissingError = define('DatabaseMissingError', {
  sqlstate: '3D000',
  code: 'IMH_DATABASE_MISSING',
  meaning: 'the server has no such database',
  hint: 'create it with: create database NAME, or correct the name in the connection string',
  exitCode: 2,
})
export const PermissionDeniedError = define('PermissionDeniedError', {
  sqlstate: '42501',
  code: 'IMH_PERMISSION_DENIED',
  meaning: 'the role may not do this, or a row-level policy refused the row',
  hint: 'connect as a role that has the privilege, and set the tenant first',
})
export const ReadOnlyTransactionError = define('ReadOnlyTransactionError', {
  sqlstate: '25006',
  code: 'IMH_READ_ONLY',
  meaning: 'the transaction or the server is read-only',
  hint: 'write on the primary, in a transaction that is not read only',
})

// ---- the server's state ----
export const QueryCanceledError = define('QueryCanceledError', {
  sqlstate: '57014',
  code: 'IMH_QUERY_CANCELED',
  meaning: 'the statement took too long or was cancelled',
  hint: 'ask for less at once, or raise statement_timeout',
})
export const ServerNotReadyError = define('ServerNotReadyError', {
  sqlstate: '57P03',
  code: 'IMH_SERVER_NOT_READY',
  meaning: 'the server is starting, recovering or stopping',
  hint: 'wait a few seconds and try again',
  exitCode: 2,
})
export const TooManyConnectionsError = define('TooManyConnectionsError', {
  sqlstate: '53300',
  code: 'IMH_TOO_MANY_CONNECTIONS',
  meaning: 'the server has no connection left',
  hint: 'close connections, use a smaller pool, or raise max_connections',
  exitCode: 2,
})
export const DiskFullError = define('DiskFullError', {
  sqlstate: '53100',
  code: 'IMH_DISK_FULL',
  meaning: 'the disk of the server is full',
  hint: 'free space on the disk of the data directory',
  exitCode: 2,
})
export const OutOfResourcesError = define('OutOfResourcesError', {
  sqlstate: ['53', '54'],
  code: 'IMH_OUT_OF_RESOURCES',
  meaning: 'a limit of the server was reached',
  hint: 'ask for less at once, or raise the limit that the message names',
  exitCode: 2,
})
sqlstates.push({
  sqlstates: ['08', '57P01', '57P02', '57P05', '25P03', '25P04'],
  code: 'IMH_CONNECTION_LOST',
  meaning: 'the connection to the server broke; an open transaction was taken back',
  hint: 'check that the server runs, then repeat the transaction',
  error: ConnectionLostError,
})

// ---- statements ----
export const InvalidValueError = define('InvalidValueError', {
  sqlstate: '22',
  code: 'IMH_INVALID_VALUE',
  meaning: 'a value does not fit its type',
  hint: 'correct the value that was sent',
})
export const StatementSyntaxError = define('StatementSyntaxError', {
  sqlstate: '42601',
  code: 'IMH_STATEMENT_SYNTAX',
  meaning: 'the statement is not valid SQL',
  hint: 'correct the statement; position says where',
})
export const UndefinedObjectError = define('UndefinedObjectError', {
  sqlstate: ['42P01', '42703', '42883', '42704', '42P02', '3F000'],
  code: 'IMH_UNDEFINED_OBJECT',
  meaning: 'a table, column, function, type, role or schema does not exist',
  hint: 'check the name; imhotep status shows whether a migration is missing',
})
export const DuplicateObjectError = define('DuplicateObjectError', {
  sqlstate: ['42P07', '42710', '42723', '42P06', '42P04', '42701'],
  code: 'IMH_DUPLICATE_OBJECT',
  meaning: 'an object of that name exists',
  hint: 'choose another name, or create it only if it does not exist',
})
export const ObjectInUseError = define('ObjectInUseError', {
  sqlstate: ['55006', '2BP01'],
  code: 'IMH_OBJECT_IN_USE',
  meaning: 'something else uses the object',
  hint: 'end the sessions or drop the objects that use it first',
})
export const StatementRefusedError = define('StatementRefusedError', {
  sqlstate: ['42', '0A', '25', '2F', '39', '55', 'P0'],
  code: 'IMH_STATEMENT_REFUSED',
  meaning: 'the server refused the statement',
  hint: 'the message says why',
})
export const ServerFailureError = define('ServerFailureError', {
  sqlstate: ['XX', '58', 'F0'],
  code: 'IMH_SERVER_FAILURE',
  meaning: 'the server failed inside: a damaged file, an operating system error or a bug',
  hint: 'read the log of the server',
  exitCode: 2,
})
sqlstates.push({
  sqlstates: [''],
  code: 'IMH_DATABASE',
  meaning: 'the database reported a failure that has no class of its own',
  hint: 'sqlstate says which; the PostgreSQL documentation lists them in appendix A',
  error: DatabaseError,
})

const byPrefix = new Map(sqlstates.flatMap((row) => row.sqlstates.map((prefix) => [prefix, row] as const)))

/** The row of a SQLSTATE: by its five characters, else by its class, else the general one. */
export function findSqlstate(sqlstate: string): SqlstateRow {
  const row = byPrefix.get(sqlstate) ?? byPrefix.get(sqlstate.slice(0, 2)) ?? byPrefix.get('')
  return row as SqlstateRow // '' is always there
}
