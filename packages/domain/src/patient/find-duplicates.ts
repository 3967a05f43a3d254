import type { Transaction } from '@imhotep/postgres'
import type { PatientCandidate } from './register.ts'

export interface FindDuplicatesInput {
  /** Full name as people say it. */
  readonly name: string
  /** Calendar date, YYYY-MM-DD. */
  readonly birthDate: string
  readonly birthDatePrecision?: 'day' | 'month' | 'year'
  readonly sex?: string
  readonly mobileBidx?: Uint8Array
  /** 0 to 1. Default: setting patient.match_threshold. */
  readonly threshold?: number
}

export const findDuplicatesSql = `
select patient_id as "patientId", score::float8 as score, reasons
from patient.find_duplicates($1, $2, $3, $4, $5, $6)`

/** Patients that may be the same person, best first, with what they have in common. */
export async function findDuplicates(tx: Transaction, input: FindDuplicatesInput): Promise<PatientCandidate[]> {
  return tx.query<PatientCandidate>(findDuplicatesSql, [
    input.name,
    input.birthDate,
    input.birthDatePrecision ?? 'day',
    input.sex ?? null,
    input.mobileBidx ?? null,
    input.threshold ?? null,
  ])
}
