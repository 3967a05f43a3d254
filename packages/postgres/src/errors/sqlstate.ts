import { ConnectionLostError, ConstraintError, DatabaseError, OperationRefusedError } from './database-error.ts'
import { define, sqlstates, type SqlstateRow } from './define.ts'

export * from './refusals/index.ts'
export { sqlstates, type SqlstateRow } from './define.ts'

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
})
export const DatabaseMissingError = define('DatabaseMissingError', {
  sqlstate: '3D000',
  code: 'IMH_DATABASE_MISSING',
  meaning: 'the server has no such database',
  hint: 'create it with: create database NAME, or correct the name in the connection string',
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
})
export const TooManyConnectionsError = define('TooManyConnectionsError', {
  sqlstate: '53300',
  code: 'IMH_TOO_MANY_CONNECTIONS',
  meaning: 'the server has no connection left',
  hint: 'close connections, use a smaller pool, or raise max_connections',
})
export const DiskFullError = define('DiskFullError', {
  sqlstate: '53100',
  code: 'IMH_DISK_FULL',
  meaning: 'the disk of the server is full',
  hint: 'free space on the disk of the data directory',
})
export const OutOfResourcesError = define('OutOfResourcesError', {
  sqlstate: ['53', '54'],
  code: 'IMH_OUT_OF_RESOURCES',
  meaning: 'a limit of the server was reached',
  hint: 'ask for less at once, or raise the limit that the message names',
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
