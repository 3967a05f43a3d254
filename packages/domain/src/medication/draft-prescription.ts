import type { Transaction } from '@imhotep/postgres'
import { single, toColumns } from '../rows.ts'
import {
  prescriptionColumns,
  prescriptionItemColumns,
  type Prescription,
  type PrescriptionContext,
  type PrescriptionItem,
} from './prescription.ts'

/** When doses are due: by the clock of the clinic, every so many hours, or once. */
export interface DoseTiming {
  /** Clock times such as `08:00`. */
  readonly times?: readonly string[]
  /** With `times`: every so many days. Default 1. */
  readonly every_days?: number
  readonly every_hours?: number
  readonly once?: boolean
  /** Limit of an as-needed medicine. */
  readonly max_per_day?: number
}

export interface NewPrescriptionItem {
  /** Chosen by the client: makes the call safe to repeat. */
  readonly id?: string
  readonly drugId: string
  readonly doseValue: number
  /** UCUM (mg, ml) or a dose form (tablet, puff). */
  readonly doseUnit: string
  readonly route: string
  /** OD, BD, TDS, QID, HS, STAT, Q4H to Q24H, WEEKLY, PRN, or a code of setting medication.frequencies. */
  readonly frequencyCode: string
  /** In place of the frequency's plan. */
  readonly timing?: DoseTiming
  readonly durationDays?: number
  /** Of one fill, in base units of the stock item. */
  readonly quantity: number
  readonly refills?: number
  /** Needed for as-needed medicines. */
  readonly prnReason?: string
  readonly isPrn?: boolean
  readonly startAt?: Date
  readonly instructions?: string
  readonly noSubstitution?: boolean
  readonly indication?: string
  readonly substitutedForId?: string
}

export interface DraftPrescriptionInput {
  readonly encounterId: string
  readonly doctorId: string
  readonly context: PrescriptionContext
  readonly items?: readonly NewPrescriptionItem[]
  /** Makes the call safe to repeat. */
  readonly key?: string
  /** Calendar date, YYYY-MM-DD. */
  readonly validUntil?: string
  /** The patient's earlier prescription that this one continues. */
  readonly reconciledFromId?: string
}

export const draftPrescriptionSql = `
select ${prescriptionColumns}
from medication.draft_prescription($1, $2, $3, $4, $5, $6, $7)`

/**
 * Drafts a prescription, with or without items.
 * @throws NotFoundError (IM005), NotPermittedError (IM006), IdempotencyKeyReusedError (IM011), TelemedicineListError (IM402)
 */
export async function draftPrescription(tx: Transaction, input: DraftPrescriptionInput): Promise<Prescription> {
  const rows = await tx.query<Prescription>(draftPrescriptionSql, [
    input.encounterId,
    input.doctorId,
    input.context,
    (input.items ?? []).map(toColumns),
    input.key ?? null,
    input.validUntil ?? null,
    input.reconciledFromId ?? null,
  ])
  return single(rows)
}

export const addPrescriptionItemSql = `
select ${prescriptionItemColumns}
from medication.add_prescription_item($1, $2)`

/**
 * Adds a medicine to a draft.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), IdempotencyKeyReusedError (IM011), TelemedicineListError (IM402)
 */
export async function addPrescriptionItem(
  tx: Transaction,
  prescriptionId: string,
  item: NewPrescriptionItem,
): Promise<PrescriptionItem> {
  return single(await tx.query<PrescriptionItem>(addPrescriptionItemSql, [prescriptionId, toColumns(item)]))
}

export const removePrescriptionItemSql = `
select ${prescriptionItemColumns}
from medication.remove_prescription_item($1)`

/**
 * Takes a medicine out of a draft.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function removePrescriptionItem(tx: Transaction, itemId: string): Promise<PrescriptionItem> {
  return single(await tx.query<PrescriptionItem>(removePrescriptionItemSql, [itemId]))
}

export const cancelPrescriptionSql = `
select ${prescriptionColumns}
from medication.cancel_prescription($1, $2)`

/**
 * Throws a draft away.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function cancelPrescription(
  tx: Transaction,
  prescriptionId: string,
  reason: string,
): Promise<Prescription> {
  return single(await tx.query<Prescription>(cancelPrescriptionSql, [prescriptionId, reason]))
}
