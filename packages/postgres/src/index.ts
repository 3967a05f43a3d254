export { connect } from './connect.ts'
export type {
  Connection,
  ConnectOptions,
  Database,
  Notice,
  Statement,
  TextAnswer,
  Transaction,
  TransactionOptions,
} from './database.ts'
export { openReplication, type Replication, type ReplicationStream } from './replication.ts'
export { describeTarget, redactUrl, withDatabase, type Target } from './target.ts'
export * from './errors/index.ts'
export * from './embedded/index.ts'
export { errorCatalogue, type CataloguedError } from './error-catalogue.ts'
