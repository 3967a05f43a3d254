import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { accountColumns, type AbhaAccount } from './abha.ts'

export interface LinkAbhaInput {
  readonly patientId: string
  readonly accountId: string
  /** Why it is the same person although name, sex or year of birth differ. */
  readonly overrideReason?: string
  /** The attempt that led to it, which ends with the link. */
  readonly registrationId?: string
}

export const linkAbhaSql = `select ${accountColumns}\nfrom abdm.link_abha($1, $2, $3, $4)`

/**
 * Links a verified ABHA to a patient: one ABHA a patient, one patient an ABHA. Linking again changes nothing.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006), AbhaOfOtherPatientError (IM700),
 * PatientHasOtherAbhaError (IM701), DemographicsMismatchError (IM702), TokenOrOtpExpiredError (IM703)
 */
export async function linkAbha(tx: Transaction, input: LinkAbhaInput): Promise<AbhaAccount> {
  const { patientId, accountId, overrideReason = null, registrationId = null } = input
  return single(await tx.query<AbhaAccount>(linkAbhaSql, [patientId, accountId, overrideReason, registrationId]))
}

export const unlinkAbhaSql = `select ${accountColumns}\nfrom abdm.unlink_abha($1, $2)`

/**
 * Takes an ABHA from its patient, and its care contexts with it. Records stay.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function unlinkAbha(tx: Transaction, accountId: string, reason: string): Promise<AbhaAccount> {
  return single(await tx.query<AbhaAccount>(unlinkAbhaSql, [accountId, reason]))
}

export interface AbhaStatusInput {
  readonly networkStatus: AbhaAccount['networkStatus']
  /** One of both finds the account. */
  readonly abhaNumberBidx?: Uint8Array
  readonly abhaAddress?: string
}

export const recordAbhaStatusSql = `select ${accountColumns}\nfrom abdm.record_abha_status($1, $2, $3)`

/**
 * ABDM notified that an account is active, deactivated or deleted.
 * @throws NotFoundError (IM005) when we do not know it
 */
export async function recordAbhaStatus(tx: Transaction, input: AbhaStatusInput): Promise<AbhaAccount> {
  const { networkStatus, abhaNumberBidx = null, abhaAddress = null } = input
  return single(await tx.query<AbhaAccount>(recordAbhaStatusSql, [networkStatus, abhaNumberBidx, abhaAddress]))
}
