import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

export type AuthenticationStage = 'preauthorization' | 'claim' | 'admission' | 'discharge'

/** Proof that the beneficiary was present, per stage. */
export interface BeneficiaryAuthentication {
  readonly id: string
  readonly encounterId: string
  readonly payerId: string
  readonly stage: AuthenticationStage
  readonly method: 'fingerprint' | 'iris' | 'face' | 'otp' | 'exception'
  readonly authenticatedAt: Date | null
  readonly tokenExpiresAt: Date | null
  readonly status: 'initiated' | 'authenticated' | 'failed' | 'expired'
  readonly rowVersion: number
}

const authenticationColumns = `
  id, encounter_id as "encounterId", payer_id as "payerId", stage, method, authenticated_at as "authenticatedAt",
  token_expires_at as "tokenExpiresAt", status, row_version as "rowVersion"`

export interface BeginAuthenticationInput {
  readonly encounterId: string
  readonly payerId: string
  readonly stage: AuthenticationStage
  readonly method: 'fingerprint' | 'iris' | 'face' | 'otp'
  /** Transaction id of the authentication service. */
  readonly txnId: string
}

export const beginAuthenticationSql = `
select ${authenticationColumns}
from insurance.begin_authentication($1, $2, $3, $4, $5)`

/**
 * Begins an authentication; the same transaction again, or one that holds already, is returned.
 * @throws NotFoundError (IM005)
 */
export async function beginAuthentication(
  tx: Transaction,
  input: BeginAuthenticationInput,
): Promise<BeneficiaryAuthentication> {
  const { encounterId, payerId, stage, method, txnId } = input
  return single(
    await tx.query<BeneficiaryAuthentication>(beginAuthenticationSql, [encounterId, payerId, stage, method, txnId]),
  )
}

export interface CompleteAuthenticationInput {
  readonly authenticationId: string
  /** Token that rides on submissions, encrypted. */
  readonly tokenEnc: Uint8Array
  readonly tokenExpiresAt?: Date
  /** Token that gets a new one, encrypted. */
  readonly refreshEnc?: Uint8Array
}

export const completeAuthenticationSql = `
select ${authenticationColumns}
from insurance.complete_authentication($1, $2, $3, $4)`

/**
 * The beneficiary was recognised; the encounter's registered case becomes identity_verified.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function completeAuthentication(
  tx: Transaction,
  input: CompleteAuthenticationInput,
): Promise<BeneficiaryAuthentication> {
  const { authenticationId, tokenEnc, tokenExpiresAt = null, refreshEnc = null } = input
  return single(
    await tx.query<BeneficiaryAuthentication>(completeAuthenticationSql, [
      authenticationId,
      tokenEnc,
      tokenExpiresAt,
      refreshEnc,
    ]),
  )
}

export const failAuthenticationSql = `select ${authenticationColumns}\nfrom insurance.fail_authentication($1)`

/**
 * The beneficiary was not recognised.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function failAuthentication(
  tx: Transaction,
  authenticationId: string,
): Promise<BeneficiaryAuthentication> {
  return single(await tx.query<BeneficiaryAuthentication>(failAuthenticationSql, [authenticationId]))
}

export const approveAuthenticationExceptionSql = `
select ${authenticationColumns}
from insurance.approve_authentication_exception($1, $2)`

/**
 * A second person approves that no method works; counts as authenticated.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005), NotPermittedError (IM006)
 */
export async function approveAuthenticationException(
  tx: Transaction,
  authenticationId: string,
  reason: string,
): Promise<BeneficiaryAuthentication> {
  return single(
    await tx.query<BeneficiaryAuthentication>(approveAuthenticationExceptionSql, [authenticationId, reason]),
  )
}
