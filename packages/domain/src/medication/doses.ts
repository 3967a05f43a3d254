import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

/** A line of the medication administration record. */
export interface Dose {
  readonly id: string
  readonly prescriptionItemId: string
  readonly scheduledAt: Date
  readonly givenAt: Date | null
  readonly givenBy: string | null
  readonly witnessId: string | null
  readonly notGivenReason: string | null
  readonly status: 'due' | 'given' | 'missed' | 'refused' | 'held' | 'cancelled' | 'entered_in_error'
}

const doseColumns = `
  id, prescription_item_id as "prescriptionItemId", scheduled_at as "scheduledAt", given_at as "givenAt",
  given_by as "givenBy", witness_id as "witnessId", not_given_reason as "notGivenReason", status`

/** A dose is known by its medicine and the time at which it is due. */
export interface DoseKey {
  readonly itemId: string
  readonly scheduledAt: Date
}

export const scheduleDosesSql = `
select medication.schedule_doses($1, coalesce($2::timestamptz, now() + interval '24 hours')) as added`

/**
 * Makes the doses of a medicine that fall due until `until` (default: in 24 hours); returns how many are new.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function scheduleDoses(tx: Transaction, itemId: string, until?: Date): Promise<number> {
  return single(await tx.query<{ added: number }>(scheduleDosesSql, [itemId, until ?? null])).added
}

export const scheduleDueDosesSql = `
select medication.schedule_due_doses(coalesce($1::timestamptz, now() + interval '24 hours')) as added`

/** Job: the same for every patient in a bed. */
export async function scheduleDueDoses(tx: Transaction, until?: Date): Promise<number> {
  return single(await tx.query<{ added: number }>(scheduleDueDosesSql, [until ?? null])).added
}

export interface GiveDoseInput extends DoseKey {
  /** Default: the ordered amount. */
  readonly doseGiven?: number
  /** Second member of staff, for high-alert and controlled drugs. */
  readonly witnessId?: string
  readonly batchId?: string
  /** Default: now. */
  readonly givenAt?: Date
  readonly route?: string
  readonly site?: string
  readonly patientScan?: boolean
  readonly drugScan?: boolean
  /** Encrypted by the application. */
  readonly noteEnc?: Uint8Array
}

export const giveDoseSql = `
select ${doseColumns}
from medication.give_dose($1, $2, $3, $4, $5, coalesce($6::timestamptz, now()), $7, $8, $9, $10, $11)`

/**
 * The signed-in nurse gave a dose. An as-needed dose need not be due.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006), WitnessRequiredError (IM403)
 */
export async function giveDose(tx: Transaction, input: GiveDoseInput): Promise<Dose> {
  const rows = await tx.query<Dose>(giveDoseSql, [
    input.itemId,
    input.scheduledAt,
    input.doseGiven ?? null,
    input.witnessId ?? null,
    input.batchId ?? null,
    input.givenAt ?? null,
    input.route ?? null,
    input.site ?? null,
    input.patientScan ?? null,
    input.drugScan ?? null,
    input.noteEnc ?? null,
  ])
  return single(rows)
}

export interface NotGivenInput extends DoseKey {
  readonly outcome: 'missed' | 'refused' | 'held'
  readonly reason: string
  /** Encrypted by the application. */
  readonly noteEnc?: Uint8Array
}

export const recordNotGivenSql = `
select ${doseColumns}
from medication.record_not_given($1, $2, $3, $4, $5)`

/**
 * A due dose was missed, refused or held back, and why.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005), NotPermittedError (IM006)
 */
export async function recordNotGiven(tx: Transaction, input: NotGivenInput): Promise<Dose> {
  const { itemId, scheduledAt, outcome, reason, noteEnc = null } = input
  return single(await tx.query<Dose>(recordNotGivenSql, [itemId, scheduledAt, outcome, reason, noteEnc]))
}

export const markDoseInErrorSql = `
select ${doseColumns}
from medication.mark_dose_in_error($1, $2, $3)`

/**
 * A dose that is recorded as given was not: it is due again, and the due dose is returned.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005), NotPermittedError (IM006)
 */
export async function markDoseInError(tx: Transaction, dose: DoseKey, reason: string): Promise<Dose> {
  return single(await tx.query<Dose>(markDoseInErrorSql, [dose.itemId, dose.scheduledAt, reason]))
}
