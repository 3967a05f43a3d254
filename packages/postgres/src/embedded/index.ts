export { BinariesMissingError, ClusterVersionError, EmbeddedServerError, PortBusyError } from './errors.ts'
export { startEmbedded, type EmbeddedOptions, type EmbeddedServer } from './start.ts'
export { embeddedStatus, removeEmbedded, stopEmbedded, type EmbeddedStatus } from './status.ts'
export { withTemporaryServer } from './temporary.ts'
