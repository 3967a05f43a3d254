export { ConnectionFailedError } from './connection-failed.ts'
export {
  CommitUnknownError,
  ConnectionLostError,
  ConstraintError,
  DatabaseError,
  OperationRefusedError,
  type DatabaseErrorFields,
} from './database-error.ts'
export * from './sqlstate.ts'
export { isRetryable, toDatabaseError } from './to-database-error.ts'
