import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import {
  prescriptionColumns,
  prescriptionItemColumns,
  type Prescription,
  type PrescriptionItem,
} from './prescription.ts'

export const holdItemSql = `select ${prescriptionItemColumns}\nfrom medication.hold_item($1, $2)`

/**
 * Holds a medicine and its coming doses.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function holdItem(tx: Transaction, itemId: string, reason: string): Promise<PrescriptionItem> {
  return single(await tx.query<PrescriptionItem>(holdItemSql, [itemId, reason]))
}

export const resumeItemSql = `select ${prescriptionItemColumns}\nfrom medication.resume_item($1)`

/**
 * Ends a hold; doses that were held may be given.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function resumeItem(tx: Transaction, itemId: string): Promise<PrescriptionItem> {
  return single(await tx.query<PrescriptionItem>(resumeItemSql, [itemId]))
}

export const stopItemSql = `select ${prescriptionItemColumns}\nfrom medication.stop_item($1, $2)`

/**
 * Stops a medicine for good and cancels its coming doses.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function stopItem(tx: Transaction, itemId: string, reason: string): Promise<PrescriptionItem> {
  return single(await tx.query<PrescriptionItem>(stopItemSql, [itemId, reason]))
}

export const completeItemSql = `select ${prescriptionItemColumns}\nfrom medication.complete_item($1)`

/**
 * The course of a medicine is over as planned.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function completeItem(tx: Transaction, itemId: string): Promise<PrescriptionItem> {
  return single(await tx.query<PrescriptionItem>(completeItemSql, [itemId]))
}

export const markItemInErrorSql = `select ${prescriptionItemColumns}\nfrom medication.mark_item_in_error($1, $2)`

/**
 * A stopped medicine should never have been ordered.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function markItemInError(tx: Transaction, itemId: string, reason: string): Promise<PrescriptionItem> {
  return single(await tx.query<PrescriptionItem>(markItemInErrorSql, [itemId, reason]))
}

export const stopPrescriptionSql = `select ${prescriptionColumns}\nfrom medication.stop_prescription($1, $2)`

/**
 * Stops a prescription with all its medicines.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function stopPrescription(tx: Transaction, prescriptionId: string, reason: string): Promise<Prescription> {
  return single(await tx.query<Prescription>(stopPrescriptionSql, [prescriptionId, reason]))
}

export const expirePrescriptionsSql = 'select medication.expire_prescriptions($1) as expired'

/** Job: ends prescriptions whose last day is over, at most `limit` (default 500); returns how many. */
export async function expirePrescriptions(tx: Transaction, limit = 500): Promise<number> {
  return single(await tx.query<{ expired: number }>(expirePrescriptionsSql, [limit])).expired
}
