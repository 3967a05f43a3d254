import type { Transaction } from '@imhotep/postgres'

export interface FoundPatient {
  readonly patientId: string
  readonly mrn: string
  readonly fullName: string
  readonly sex: string
  /** Calendar date, YYYY-MM-DD. */
  readonly birthDate: string | null
  readonly status: string
}

export const searchPatientsSql = `
select
  patient_id as "patientId", mrn, full_name as "fullName", sex, birth_date::text as "birthDate", status
from patient.search($1, $2)`

/**
 * Patients whose name holds the text, in the order of their names.
 * @throws InvalidValueError (22023) for fewer than three letters
 */
export async function searchPatients(tx: Transaction, text: string, limit = 20): Promise<FoundPatient[]> {
  return tx.query<FoundPatient>(searchPatientsSql, [text, limit])
}
