import type { Transaction } from '@imhotep/postgres'
import type { SignatureMethod } from '../ehr/index.ts'
import { single } from '../rows.ts'
import { prescriptionColumns, type Prescription } from './prescription.ts'

/** What decision support says to a prescription. */
export interface PrescriptionAlert {
  readonly id: string
  readonly category: string
  readonly severity: 'info' | 'warning' | 'hard_stop'
  readonly message: string
  readonly status: string
}

export const checkPrescriptionSql = `
select id, category, severity, message, status
from medication.check_prescription($1)`

/**
 * Asks decision support about a prescription; the alerts stay and can be answered.
 * @throws NotFoundError (IM005)
 */
export async function checkPrescription(tx: Transaction, prescriptionId: string): Promise<PrescriptionAlert[]> {
  return tx.query<PrescriptionAlert>(checkPrescriptionSql, [prescriptionId])
}

export interface ActivatePrescriptionInput {
  readonly prescriptionId: string
  /** The prescriber looked at the patient's allergies. */
  readonly allergiesReviewed: boolean
  /** Default: password_reauth. */
  readonly method?: SignatureMethod
  /** Needed for dsc and aadhaar_esign, with `certificateRef`. */
  readonly signature?: Uint8Array
  readonly certificateRef?: string
}

export const activatePrescriptionSql = `
select ${prescriptionColumns}
from medication.activate_prescription($1, $2, $3, $4, $5)`

/**
 * The prescriber, who must be signed in, signs a draft and it becomes an order.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006), HardStopAlertError (IM401),
 * TelemedicineListError (IM402), CredentialExpiredError (IM405), AllergiesNotReviewedError (IM406)
 */
export async function activatePrescription(tx: Transaction, input: ActivatePrescriptionInput): Promise<Prescription> {
  const { prescriptionId, allergiesReviewed, method = 'password_reauth', signature, certificateRef } = input
  const parameters = [prescriptionId, allergiesReviewed, method, signature ?? null, certificateRef ?? null]
  return single(await tx.query<Prescription>(activatePrescriptionSql, parameters))
}
