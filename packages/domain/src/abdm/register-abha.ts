import type { Transaction } from '@imhotep/postgres'
import { single, toColumns } from '../rows.ts'
import { accountColumns, registrationColumns, type AbhaAccount, type AbhaRegistration } from './abha.ts'

export const normaliseAbhaNumberSql = 'select abdm.normalise_abha_number($1) as digits'

/**
 * The 14 digits of an ABHA number that came plain or as 2-4-4-4: encrypt and index these.
 * @throws DatabaseError (22023) anything else
 */
export async function normaliseAbhaNumber(tx: Transaction, abhaNumber: string): Promise<string> {
  return single(await tx.query<{ digits: string }>(normaliseAbhaNumberSql, [abhaNumber])).digits
}

export interface StartRegistrationInput {
  /** The same id again is the same attempt. */
  readonly requestId: string
  readonly purpose: 'create' | 'verify' | 'link' | 'address_create' | 'reactivate'
  readonly method:
    | 'aadhaar_otp'
    | 'aadhaar_biometric'
    | 'mobile_otp'
    | 'driving_licence'
    | 'abha_number_otp'
    | 'abha_address_otp'
    | 'scan_share'
  readonly clinicId: string
  readonly patientId?: string
  /** Consent of kind abdm; needed to create an ABHA. */
  readonly consentId?: string
}

export const startRegistrationSql = `
select ${registrationColumns}
from abdm.start_registration($1, $2, $3, $4, $5, $6)`

/**
 * Begins an attempt at a desk, by the signed-in user.
 * @throws NotFoundError (IM005), NotPermittedError (IM006), IdempotencyKeyReusedError (IM011)
 */
export async function startRegistration(tx: Transaction, input: StartRegistrationInput): Promise<AbhaRegistration> {
  const { requestId, purpose, method, clinicId, patientId = null, consentId = null } = input
  const params = [requestId, purpose, method, clinicId, patientId, consentId]
  return single(await tx.query<AbhaRegistration>(startRegistrationSql, params))
}

export const recordOtpSentSql = `select ${registrationColumns}\nfrom abdm.record_otp_sent($1, $2)`

/**
 * ABDM sent an OTP under its transaction id.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), TokenOrOtpExpiredError (IM703), TooManyAttemptsError (IM704)
 */
export async function recordOtpSent(tx: Transaction, registrationId: string, txnId: string): Promise<AbhaRegistration> {
  return single(await tx.query<AbhaRegistration>(recordOtpSentSql, [registrationId, txnId]))
}

export interface OtpResultInput {
  readonly registrationId: string
  readonly isRight: boolean
  readonly mobileVerified?: boolean
  /** ABDM's code of the refusal. */
  readonly errorCode?: string
}

export const recordOtpResultSql = `select ${registrationColumns}\nfrom abdm.record_otp_result($1, $2, $3, $4)`

/**
 * What ABDM said to an OTP. A wrong one is an answer, not an error: it stays counted, and the third ends the attempt.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), TokenOrOtpExpiredError (IM703), TooManyAttemptsError (IM704)
 */
export async function recordOtpResult(tx: Transaction, input: OtpResultInput): Promise<AbhaRegistration> {
  const { registrationId, isRight, mobileVerified = false, errorCode = null } = input
  const params = [registrationId, isRight, mobileVerified, errorCode]
  return single(await tx.query<AbhaRegistration>(recordOtpResultSql, params))
}

/** An account as ABDM gave it. The number comes encrypted, with its blind index; of the name only the sound is kept. */
export interface VerifiedAccount {
  readonly abhaNumberEnc?: Uint8Array
  readonly abhaNumberBidx?: Uint8Array
  readonly abhaNumberLast4?: string
  readonly abhaAddress?: string
  readonly kycStatus?: AbhaAccount['kycStatus']
  readonly profileEnc?: Uint8Array
  readonly name: string
  readonly sex: 'male' | 'female' | 'other' | 'unknown'
  readonly birthYear: number
  readonly authMethods?: readonly string[]
}

export const recordEnrolmentSql = `select ${accountColumns}\nfrom abdm.record_enrolment($1, $2)`

/**
 * ABDM created or verified the account; returns it, ready to be linked.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), AbhaOfOtherPatientError (IM700), TokenOrOtpExpiredError
 * (IM703), TooManyAttemptsError (IM704)
 */
export async function recordEnrolment(
  tx: Transaction,
  registrationId: string,
  account: VerifiedAccount,
): Promise<AbhaAccount> {
  return single(await tx.query<AbhaAccount>(recordEnrolmentSql, [registrationId, toColumns(account)]))
}

export const recordAbhaAddressSql = `select ${accountColumns}\nfrom abdm.record_abha_address($1, $2)`

/**
 * The person chose their ABHA address.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), AbhaOfOtherPatientError (IM700), TokenOrOtpExpiredError (IM703)
 */
export async function recordAbhaAddress(
  tx: Transaction,
  registrationId: string,
  abhaAddress: string,
): Promise<AbhaAccount> {
  return single(await tx.query<AbhaAccount>(recordAbhaAddressSql, [registrationId, abhaAddress]))
}

export const failRegistrationSql = `select ${registrationColumns}\nfrom abdm.fail_registration($1, $2, $3)`

/**
 * Ends an attempt that ABDM refused.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function failRegistration(
  tx: Transaction,
  registrationId: string,
  errorCode: string,
  errorMessage: string | null = null,
): Promise<AbhaRegistration> {
  return single(await tx.query<AbhaRegistration>(failRegistrationSql, [registrationId, errorCode, errorMessage]))
}

export const expireRegistrationsSql = 'select abdm.expire_registrations($1) as expired'

/** Ends up to `limit` attempts that are too old (default 1000) and returns how many. For a job. */
export async function expireRegistrations(tx: Transaction, limit = 1000): Promise<number> {
  return single(await tx.query<{ expired: number }>(expireRegistrationsSql, [limit])).expired
}
