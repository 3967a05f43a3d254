export { withTenant, type PurposeOfUse, type RequestContext, type RequestDetails } from './with-tenant.ts'
export { sealAudit, verifyAuditChain, type ChainProblem, type ChainReport, type SealedRange } from './audit-seal.ts'
export { readSealSigner, readSealVerifier, type SealSigner, type SealVerifier } from './seal-signature.ts'
export { packAuditLogs, type PackedPartition, type PackOptions } from './audit-archive.ts'
