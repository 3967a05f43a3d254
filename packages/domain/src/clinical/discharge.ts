import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { admissionColumns, type Admission, type DischargeKind } from './admission.ts'

export const orderDischargeSql = `select ${admissionColumns}\nfrom clinical.order_discharge($1, $2)`

/**
 * Step 1: discharge is ordered.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006)
 */
export async function orderDischarge(
  tx: Transaction,
  admissionId: string,
  kind: DischargeKind = 'normal',
): Promise<Admission> {
  return single(await tx.query<Admission>(orderDischargeSql, [admissionId, kind]))
}

export const withdrawDischargeSql = `select ${admissionColumns}\nfrom clinical.withdraw_discharge($1, $2)`

/**
 * The patient stays after all; clearances are void.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function withdrawDischarge(tx: Transaction, admissionId: string, reason: string): Promise<Admission> {
  return single(await tx.query<Admission>(withdrawDischargeSql, [admissionId, reason]))
}

export const completeClinicalDischargeSql = `select ${admissionColumns}\nfrom clinical.complete_clinical_discharge($1)`

/**
 * Step 2: the clinical work is done and the discharge summary final.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotClearedError (IM203), SummaryMissingError (IM205)
 */
export async function completeClinicalDischarge(tx: Transaction, admissionId: string): Promise<Admission> {
  return single(await tx.query<Admission>(completeClinicalDischargeSql, [admissionId]))
}

export const clearPharmacySql = `select ${admissionColumns}\nfrom clinical.clear_pharmacy($1, $2)`

/**
 * The pharmacy has nothing open, or its clearance is waived for a reason.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotClearedError (IM203)
 */
export async function clearPharmacy(
  tx: Transaction,
  admissionId: string,
  waiverReason: string | null = null,
): Promise<Admission> {
  return single(await tx.query<Admission>(clearPharmacySql, [admissionId, waiverReason]))
}

export const clearBillingSql = `select ${admissionColumns}\nfrom clinical.clear_billing($1, $2)`

/**
 * Step 3: the bill is settled, or waived for a reason.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotClearedError (IM203)
 */
export async function clearBilling(
  tx: Transaction,
  admissionId: string,
  waiverReason: string | null = null,
): Promise<Admission> {
  return single(await tx.query<Admission>(clearBillingSql, [admissionId, waiverReason]))
}

export const recordDepartureSql = `select ${admissionColumns}\nfrom clinical.record_departure($1)`

/**
 * Step 4: the patient has left. The stay is discharged and the bed goes to cleaning.
 * @throws NotFoundError (IM005), NotClearedError (IM203)
 */
export async function recordDeparture(tx: Transaction, admissionId: string): Promise<Admission> {
  return single(await tx.query<Admission>(recordDepartureSql, [admissionId]))
}
