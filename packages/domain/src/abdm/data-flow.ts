import type { Transaction } from '@imhotep/postgres'
import { single, toColumns } from '../rows.ts'

/** A session of data flow under a consent artefact. */
export interface DataSession {
  readonly id: string
  readonly role: 'HIP' | 'HIU'
  readonly requestId: string
  readonly transactionId: string | null
  readonly artefactRowId: string
  readonly authorisedAt: Date | null
  /** The contexts that may move. */
  readonly careContextReferences: readonly string[]
  readonly pagesReceived: number
  readonly errorCode: string | null
  readonly status:
    'received' | 'acknowledged' | 'transferring' | 'partial' | 'transferred' | 'failed' | 'rejected' | 'notified'
}

const sessionColumns = `
  id, role, request_id as "requestId", transaction_id as "transactionId", artefact_row_id as "artefactRowId",
  authorised_at as "authorisedAt", care_context_references as "careContextReferences",
  pages_received as "pagesReceived", error_code as "errorCode", status`

export interface OpenSessionInput {
  /** Our side: HIP sends, HIU receives. */
  readonly role: 'HIP' | 'HIU'
  /** REQUEST-ID of the request for data; the same one again is the same session. */
  readonly requestId: string
  readonly transactionId?: string
  readonly artefactId: string
  readonly dataFrom: Date
  readonly dataTo: Date
  readonly dataPushUrl: string
  /** Default ECDH on Curve25519. */
  readonly cryptoAlg?: string
  readonly curve?: string
  readonly peerPublicKey?: string
  readonly peerKeyExpiresAt?: Date
  readonly peerNonce?: string
  readonly ownPublicKey?: string
  readonly ownPrivateKeyEnc?: Uint8Array
  readonly ownNonce?: string
  readonly pagesExpected?: number
}

export const openSessionSql = `select ${sessionColumns}\nfrom abdm.open_session($1)`

/**
 * Opens a session; nothing may move until {@link authoriseTransfer}.
 * @throws NotFoundError (IM005), IdempotencyKeyReusedError (IM011)
 */
export async function openSession(tx: Transaction, input: OpenSessionInput): Promise<DataSession> {
  return single(await tx.query<DataSession>(openSessionSql, [toColumns(input)]))
}

export const authoriseTransferSql = `select ${sessionColumns}\nfrom abdm.authorise_transfer($1, $2)`

/**
 * May this session move data? Counts once for the consent's frequency; again is the same answer.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), ConsentNotGrantedError (IM710), ConsentWindowError (IM711),
 * ConsentFrequencyError (IM712), ContextNotConsentedError (IM713), ConsentSignatureError (IM714), ConsentErasedError (IM715)
 */
export async function authoriseTransfer(
  tx: Transaction,
  sessionId: string,
  careContextReferences: readonly string[] | null = null,
): Promise<DataSession> {
  return single(await tx.query<DataSession>(authoriseTransferSql, [sessionId, careContextReferences]))
}

export const rejectSessionSql = `select ${sessionColumns}\nfrom abdm.reject_session($1, $2)`

/**
 * Ends a session that was not authorised, with the code of the refusal.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function rejectSession(tx: Transaction, sessionId: string, errorCode: string): Promise<DataSession> {
  return single(await tx.query<DataSession>(rejectSessionSql, [sessionId, errorCode]))
}

export interface HealthInfoTransferInput {
  readonly careContextReference: string
  readonly pageNo: number
  /** Default application/fhir+json. */
  readonly mediaType?: string
  readonly checksum: Uint8Array
  readonly hiStatus?: 'DELIVERED' | 'ERRORED' | 'OK'
  /** Where the received bundle is kept. */
  readonly bundleDocumentId?: string
  readonly bundleProfile?: string
  readonly validationErrors?: object
  readonly error?: string
}

export interface HealthInfoTransfer {
  readonly id: string
  readonly direction: 'out' | 'in'
  readonly careContextReference: string
  readonly pageNo: number
  readonly eraseAt: Date | null
  readonly erasedAt: Date | null
}

export const recordTransferSql = `
select
  id, direction, care_context_reference as "careContextReference", page_no as "pageNo", erase_at as "eraseAt",
  erased_at as "erasedAt"
from abdm.record_transfer($1, $2)`

/**
 * A page was sent or received; the same page again is the same row.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), ConsentNotGrantedError (IM710), ContextNotConsentedError
 * (IM713), ConsentErasedError (IM715)
 */
export async function recordTransfer(
  tx: Transaction,
  sessionId: string,
  input: HealthInfoTransferInput,
): Promise<HealthInfoTransfer> {
  return single(await tx.query<HealthInfoTransfer>(recordTransferSql, [sessionId, toColumns(input)]))
}

export const finishTransferSql = `select ${sessionColumns}\nfrom abdm.finish_transfer($1, $2, $3)`

/**
 * The session ended, and its private key is gone; PARTIAL may go on.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function finishTransfer(
  tx: Transaction,
  sessionId: string,
  outcome: 'TRANSFERRED' | 'FAILED' | 'PARTIAL',
  errorCode: string | null = null,
): Promise<DataSession> {
  return single(await tx.query<DataSession>(finishTransferSql, [sessionId, outcome, errorCode]))
}

export const markSessionNotifiedSql = `select ${sessionColumns}\nfrom abdm.mark_session_notified($1)`

/**
 * The consent manager was told how the session ended.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function markSessionNotified(tx: Transaction, sessionId: string): Promise<DataSession> {
  return single(await tx.query<DataSession>(markSessionNotifiedSql, [sessionId]))
}

export const eraseDueSql = 'select abdm.erase_due($1) as erased'

/** Erases the content of up to `limit` received pages whose day has come (default 100) and returns how many. For a job. */
export async function eraseDue(tx: Transaction, limit = 100): Promise<number> {
  return single(await tx.query<{ erased: number }>(eraseDueSql, [limit])).erased
}
