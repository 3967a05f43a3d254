import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

/** An allergy, an intolerance, or the statement that none is known. */
export interface AllergyStatement {
  readonly id: string
  readonly patientId: string
  readonly kind: 'allergy' | 'intolerance' | 'none_known'
  readonly display: string
  readonly clinicalStatus: 'active' | 'inactive' | 'resolved'
  readonly verificationStatus: 'unconfirmed' | 'confirmed' | 'refuted' | 'entered_in_error'
}

export const allergyColumns = `
  id, patient_id as "patientId", kind, display, clinical_status as "clinicalStatus",
  verification_status as "verificationStatus"`

export const stateNoKnownAllergiesSql = `select ${allergyColumns}\nfrom clinical.state_no_known_allergies($1, $2)`

/**
 * States that a patient has no known allergies. Asked again: the same row. Fails with 23514 beside an active allergy.
 * @throws NotPermittedError (IM006)
 */
export async function stateNoKnownAllergies(
  tx: Transaction,
  patientId: string,
  encounterId: string | null = null,
): Promise<AllergyStatement> {
  return single(await tx.query<AllergyStatement>(stateNoKnownAllergiesSql, [patientId, encounterId]))
}
