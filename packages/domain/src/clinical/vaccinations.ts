import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

/** A vaccination, given, planned or refused. */
export interface Vaccination {
  readonly id: string
  readonly patientId: string
  readonly vaccineCode: string
  readonly doseNumber: number
  readonly series: string | null
  readonly givenAt: Date | null
  readonly lotNumber: string | null
  readonly notDoneReason: string | null
  readonly status: 'planned' | 'completed' | 'not_done' | 'entered_in_error'
}

export const vaccinationColumns = `
  id, patient_id as "patientId", vaccine_code as "vaccineCode", dose_number as "doseNumber", series,
  given_at as "givenAt", lot_number as "lotNumber", not_done_reason as "notDoneReason", status`

export interface GiveVaccinationInput {
  readonly patientId: string
  readonly vaccineCode: string
  readonly vaccineName: string
  readonly doseNumber: number
  readonly lotNumber: string
  /** Calendar date, YYYY-MM-DD. */
  readonly expiryOn: string
  readonly series?: string
  readonly encounterId?: string
  readonly batchId?: string
  readonly route?: string
  readonly site?: string
  readonly nextDueOn?: string
}

export const giveVaccinationSql = `select ${vaccinationColumns}\nfrom clinical.give_vaccination($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`

/**
 * Gives a dose of a series; a planned one is completed. The same dose is given once.
 * @throws NotPermittedError (IM006)
 */
export async function giveVaccination(tx: Transaction, input: GiveVaccinationInput): Promise<Vaccination> {
  const {
    patientId,
    vaccineCode,
    vaccineName,
    doseNumber,
    lotNumber,
    expiryOn,
    series = null,
    encounterId = null,
    batchId = null,
    route = null,
    site = null,
    nextDueOn = null,
  } = input
  return single(
    await tx.query<Vaccination>(giveVaccinationSql, [
      patientId,
      vaccineCode,
      vaccineName,
      doseNumber,
      lotNumber,
      expiryOn,
      series,
      encounterId,
      batchId,
      route,
      site,
      nextDueOn,
    ]),
  )
}

export interface RefuseVaccinationInput {
  readonly patientId: string
  readonly vaccineCode: string
  readonly vaccineName: string
  readonly doseNumber: number
  readonly reason: string
  readonly series?: string
}

export const refuseVaccinationSql = `select ${vaccinationColumns}\nfrom clinical.refuse_vaccination($1, $2, $3, $4, $5, $6)`

/**
 * A dose was not given, for a reason; it may be given later.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002)
 */
export async function refuseVaccination(tx: Transaction, input: RefuseVaccinationInput): Promise<Vaccination> {
  const { patientId, vaccineCode, vaccineName, doseNumber, reason, series = null } = input
  return single(
    await tx.query<Vaccination>(refuseVaccinationSql, [
      patientId,
      vaccineCode,
      vaccineName,
      doseNumber,
      reason,
      series,
    ]),
  )
}
