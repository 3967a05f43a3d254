import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

/** A case of the scheme. Amounts are decimal text. */
export interface PmjayCase {
  readonly id: string
  readonly caseNumber: string
  readonly patientId: string
  readonly encounterId: string
  readonly coverageId: string
  readonly isPortability: boolean
  readonly isNewborn: boolean
  /** What its submissions hold of the wallet; after payment, what they held. */
  readonly walletBlocked: string
  readonly walletUsed: string
  readonly status: string
  readonly rowVersion: number
}

const caseColumns = `
  id, case_number as "caseNumber", patient_id as "patientId", encounter_id as "encounterId", coverage_id as "coverageId",
  is_portability as "isPortability", is_newborn as "isNewborn", wallet_blocked as "walletBlocked",
  wallet_used as "walletUsed", status, row_version as "rowVersion"`

export interface RegisterCaseInput {
  readonly encounterId: string
  readonly coverageId: string
  /** Code under which the scheme empanelled the hospital. */
  readonly hospitalCode: string
  /** Two letters, as in ISO 3166-2:IN. */
  readonly homeState: string
  readonly treatingState: string
  readonly admissionType: 'planned' | 'emergency'
  readonly backdatedTo?: Date
  /** Registered by telephone in an emergency: treatment may begin before the approval. */
  readonly telephonic?: boolean
  /** For a newborn: the mother's case on the same coverage. */
  readonly motherCaseId?: string
  readonly primarySpecialty?: string
  readonly tmsCaseId?: string
}

export const registerCaseSql = `
select ${caseColumns}
from insurance.register_case($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`

/**
 * Registers a case for the encounter's patient; registering the encounter again gives the same one.
 * @throws NotFoundError (IM005), CoverageNotInForceError (IM600), DuplicateCaseError (IM609), BackdatingError (IM621)
 */
export async function registerCase(tx: Transaction, input: RegisterCaseInput): Promise<PmjayCase> {
  const {
    backdatedTo = null,
    telephonic = false,
    motherCaseId = null,
    primarySpecialty = null,
    tmsCaseId = null,
  } = input
  return single(
    await tx.query<PmjayCase>(registerCaseSql, [
      input.encounterId,
      input.coverageId,
      input.hospitalCode,
      input.homeState,
      input.treatingState,
      input.admissionType,
      backdatedTo,
      telephonic,
      motherCaseId,
      primarySpecialty,
      tmsCaseId,
    ]),
  )
}

export const startTreatmentSql = `select ${caseColumns}\nfrom insurance.start_treatment($1)`

/**
 * Treatment begins, after the approval or in an emergency that was registered by telephone.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NoApprovedPreauthError (IM605)
 */
export async function startTreatment(tx: Transaction, caseId: string): Promise<PmjayCase> {
  return single(await tx.query<PmjayCase>(startTreatmentSql, [caseId]))
}

export const dischargeCaseSql = `select ${caseColumns}\nfrom insurance.discharge_case($1, $2)`

/**
 * The patient left, or died; the claim may follow.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function dischargeCase(tx: Transaction, caseId: string, mortality = false): Promise<PmjayCase> {
  return single(await tx.query<PmjayCase>(dischargeCaseSql, [caseId, mortality]))
}

export const cancelCaseSql = `select ${caseColumns}\nfrom insurance.cancel_case($1, $2)`

/**
 * Cancels a case with its drafts.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005), ClaimExistsError (IM608)
 */
export async function cancelCase(tx: Transaction, caseId: string, reason: string): Promise<PmjayCase> {
  return single(await tx.query<PmjayCase>(cancelCaseSql, [caseId, reason]))
}

export const closeCaseSql = `select ${caseColumns}\nfrom insurance.close_case($1, $2)`

/**
 * Ends a paid case, or one whose claim stays rejected, for which a reason is needed.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function closeCase(tx: Transaction, caseId: string, reason: string | null = null): Promise<PmjayCase> {
  return single(await tx.query<PmjayCase>(closeCaseSql, [caseId, reason]))
}
