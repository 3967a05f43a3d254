import type { Transaction } from '@imhotep/postgres'
import { single, toColumns } from '../rows.ts'

/** One exchange about linking care contexts. */
export interface LinkingTransaction {
  readonly id: string
  readonly kind: 'link_token' | 'hip_initiated' | 'user_initiated_discovery' | 'user_initiated_link'
  readonly requestId: string
  readonly transactionId: string | null
  readonly hipId: string
  readonly patientId: string | null
  readonly matchedBy: readonly ('MOBILE' | 'ABHA_NUMBER' | 'MR' | 'abhaAddress')[] | null
  readonly contextIds: readonly string[]
  readonly otpAttempts: number
  readonly otpExpiresAt: Date | null
  readonly tokenExpiresAt: Date | null
  readonly errorCode: string | null
  readonly status: 'received' | 'matched' | 'not_found' | 'otp_sent' | 'confirmed' | 'failed' | 'expired'
}

const linkingColumns = `
  id, kind, request_id as "requestId", transaction_id as "transactionId", hip_id as "hipId",
  patient_id as "patientId", matched_by as "matchedBy", context_ids as "contextIds", otp_attempts as "otpAttempts",
  otp_expires_at as "otpExpiresAt", token_expires_at as "tokenExpiresAt", error_code as "errorCode", status`

export const requestLinkTokenSql = `select ${linkingColumns}\nfrom abdm.request_link_token($1, $2, $3)`

/**
 * We ask the consent manager for a link token for a patient.
 * @throws NotFoundError (IM005), NotPermittedError (IM006), IdempotencyKeyReusedError (IM011)
 */
export async function requestLinkToken(
  tx: Transaction,
  input: { readonly requestId: string; readonly patientId: string; readonly hipId?: string },
): Promise<LinkingTransaction> {
  const { requestId, patientId, hipId = null } = input
  return single(await tx.query<LinkingTransaction>(requestLinkTokenSql, [requestId, patientId, hipId]))
}

export const storeLinkTokenSql = `select ${linkingColumns}\nfrom abdm.store_link_token($1, $2, $3)`

/**
 * The link token came; the application has encrypted it.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function storeLinkToken(
  tx: Transaction,
  input: { readonly requestId: string; readonly tokenEnc: Uint8Array; readonly expiresAt: Date },
): Promise<LinkingTransaction> {
  return single(
    await tx.query<LinkingTransaction>(storeLinkTokenSql, [input.requestId, input.tokenEnc, input.expiresAt]),
  )
}

export interface LinkContextsInput {
  /** REQUEST-ID of the call; the same one again is the same request. */
  readonly requestId: string
  readonly patientId: string
  readonly contextIds: readonly string[]
}

export const linkCareContextsSql = `select ${linkingColumns}\nfrom abdm.link_care_contexts($1, $2, $3)`

/**
 * We ask the consent manager to link care contexts, all or none.
 * @throws NotFoundError (IM005), NotPermittedError (IM006), IdempotencyKeyReusedError (IM011), TokenOrOtpExpiredError (IM703),
 * AlreadyLinkedError (IM705)
 */
export async function linkCareContexts(tx: Transaction, input: LinkContextsInput): Promise<LinkingTransaction> {
  const { requestId, patientId, contextIds } = input
  return single(await tx.query<LinkingTransaction>(linkCareContextsSql, [requestId, patientId, contextIds]))
}

export const recordLinkResultSql = `select ${linkingColumns}\nfrom abdm.record_link_result($1, $2)`

/**
 * The consent manager answered: linked, or failed with an error code. The first answer stands.
 * @throws NotFoundError (IM005)
 */
export async function recordLinkResult(
  tx: Transaction,
  requestId: string,
  errorCode: string | null = null,
): Promise<LinkingTransaction> {
  return single(await tx.query<LinkingTransaction>(recordLinkResultSql, [requestId, errorCode]))
}

/** What a patient looks for their records with. The network has verified all but the MR number. */
export interface PatientDiscovery {
  readonly transactionId: string
  readonly hipId: string
  readonly abhaAddress: string
  readonly abhaNumberBidx?: Uint8Array
  readonly mobileBidx?: Uint8Array
  readonly mrn?: string
  readonly name: string
  readonly sex: 'male' | 'female' | 'other' | 'unknown'
  readonly birthYear: number
  readonly requestedIdentifiersEnc?: Uint8Array
}

export const discoverPatientSql = `select ${linkingColumns}\nfrom abdm.discover_patient($1, $2)`

/**
 * Finds exactly one patient, with the contexts to offer, or nobody.
 * @throws IdempotencyKeyReusedError (IM011)
 */
export async function discoverPatient(
  tx: Transaction,
  requestId: string,
  discovery: PatientDiscovery,
): Promise<LinkingTransaction> {
  return single(await tx.query<LinkingTransaction>(discoverPatientSql, [requestId, toColumns(discovery)]))
}

export interface InitLinkInput {
  readonly requestId: string
  /** transactionId of the discovery. */
  readonly transactionId: string
  /** Contexts that the patient chose. */
  readonly references: readonly string[]
  readonly linkRefNumber: string
  /** SHA-256 of linkRefNumber and OTP. */
  readonly otpHash: Uint8Array
}

export const initLinkSql = `select ${linkingColumns}\nfrom abdm.init_link($1, $2, $3, $4, $5)`

/**
 * The patient chose contexts; send them the OTP.
 * @throws NotFoundError (IM005), IdempotencyKeyReusedError (IM011), TokenOrOtpExpiredError (IM703), AlreadyLinkedError (IM705)
 */
export async function initLink(tx: Transaction, input: InitLinkInput): Promise<LinkingTransaction> {
  const { requestId, transactionId, references, linkRefNumber, otpHash } = input
  const params = [requestId, transactionId, references, linkRefNumber, otpHash]
  return single(await tx.query<LinkingTransaction>(initLinkSql, params))
}

export const confirmLinkSql = `select ${linkingColumns}\nfrom abdm.confirm_link($1, $2)`

/**
 * The patient typed the OTP: `confirmed` when it is right; a wrong one is counted, not thrown, and the third is `failed`.
 * @throws NotFoundError (IM005), AbhaOfOtherPatientError (IM700), PatientHasOtherAbhaError (IM701), TokenOrOtpExpiredError
 * (IM703), TooManyAttemptsError (IM704), AlreadyLinkedError (IM705)
 */
export async function confirmLink(
  tx: Transaction,
  linkRefNumber: string,
  otpHash: Uint8Array,
): Promise<LinkingTransaction> {
  return single(await tx.query<LinkingTransaction>(confirmLinkSql, [linkRefNumber, otpHash]))
}

export const expireLinkingSql = 'select abdm.expire_linking($1) as expired'

/** Ends up to `limit` links whose OTP has expired (default 1000) and returns how many. For a job. */
export async function expireLinking(tx: Transaction, limit = 1000): Promise<number> {
  return single(await tx.query<{ expired: number }>(expireLinkingSql, [limit])).expired
}
