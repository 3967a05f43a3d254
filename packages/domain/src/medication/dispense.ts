import type { Transaction } from '@imhotep/postgres'
import { single, toColumns } from '../rows.ts'

/** A visit to the counter, an issue to a ward, or a return. */
export interface Dispense {
  readonly id: string
  readonly dispenseNumber: string
  readonly prescriptionId: string | null
  readonly patientId: string
  readonly kind: 'opd' | 'ipd' | 'discharge' | 'otc' | 'return'
  readonly checkedBy: string | null
  readonly chargeStatus: 'pending' | 'charged' | 'free'
  readonly returnOfId: string | null
  readonly status: 'preparing' | 'ready' | 'completed' | 'cancelled' | 'returned'
  readonly rowVersion: number
}

const dispenseColumns = `
  id, dispense_number as "dispenseNumber", prescription_id as "prescriptionId", patient_id as "patientId", kind,
  checked_by as "checkedBy", charge_status as "chargeStatus", return_of_id as "returnOfId", status,
  row_version as "rowVersion"`

/** What is taken. Without reservation or batch, what expires first and lasts for the course. */
export interface DispenseLine {
  /** Left out over the counter. */
  readonly prescriptionItemId?: string
  /** Stock item. Needed over the counter, or for an equivalent of the prescribed drug. */
  readonly itemId?: string
  /** In base units of the stock item. */
  readonly quantity: number
  readonly reservationId?: string
  readonly batchId?: string
  /** Needed when a batch is passed over that expires earlier. */
  readonly fefoOverrideReason?: string
  /** Needed when the item is an equivalent of the prescribed drug. */
  readonly substitutionReason?: string
  /** At most the MRP of the batch, which is the default. */
  readonly unitPrice?: string
}

export interface DispenseInput {
  readonly storeLocationId: string
  readonly kind: 'opd' | 'ipd' | 'discharge' | 'otc'
  readonly lines: readonly DispenseLine[]
  readonly key: string
  /** Needed but for otc. */
  readonly prescriptionId?: string
  /** Needed for otc. */
  readonly patientId?: string
  /** False: it waits at the counter for `completeDispense`. Default true. */
  readonly handOver?: boolean
  /** Second member of staff, for high-alert and controlled drugs. */
  readonly checkedBy?: string
  readonly receivedByName?: string
  readonly counselled?: boolean
}

export const dispenseSql = `
select ${dispenseColumns}
from medication.dispense($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`

/**
 * Takes medicines out of a store and hands them over. The same key again returns the same dispense.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006), IdempotencyKeyReusedError (IM011),
 * HardStopAlertError (IM401), WitnessRequiredError (IM403), OverDispenseError (IM404), StockShortError (IM500),
 * BatchExpiredError (IM501), BatchRecalledError (IM502), FefoReasonError (IM503), ReservationGoneError (IM504),
 * StockNegativeError (IM505)
 */
export async function dispense(tx: Transaction, input: DispenseInput): Promise<Dispense> {
  const rows = await tx.query<Dispense>(dispenseSql, [
    input.storeLocationId,
    input.kind,
    input.lines.map(toColumns),
    input.key,
    input.prescriptionId ?? null,
    input.patientId ?? null,
    input.handOver ?? true,
    input.checkedBy ?? null,
    input.receivedByName ?? null,
    input.counselled ?? false,
  ])
  return single(rows)
}

export interface CompleteDispenseInput {
  readonly dispenseId: string
  readonly receivedByName?: string
  readonly counselled?: boolean
}

export const completeDispenseSql = `
select ${dispenseColumns}
from medication.complete_dispense($1, $2, $3)`

/**
 * Hands over what waits at the counter; whoever did not prepare it is its second person.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006), WitnessRequiredError (IM403)
 */
export async function completeDispense(tx: Transaction, input: CompleteDispenseInput): Promise<Dispense> {
  const { dispenseId, receivedByName = null, counselled = false } = input
  return single(await tx.query<Dispense>(completeDispenseSql, [dispenseId, receivedByName, counselled]))
}

export const cancelDispenseSql = `
select ${dispenseColumns}
from medication.cancel_dispense($1, $2)`

/**
 * Puts the goods of a dispense that waits at the counter back on the shelf.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function cancelDispense(tx: Transaction, dispenseId: string, reason: string): Promise<Dispense> {
  return single(await tx.query<Dispense>(cancelDispenseSql, [dispenseId, reason]))
}

export interface ReturnDispenseInput {
  readonly dispenseId: string
  readonly lines: readonly { readonly dispenseItemId: string; readonly quantity: number }[]
  readonly reason: string
  readonly key: string
  /** Second member of staff, for high-alert and controlled drugs. */
  readonly checkedBy?: string
}

export const returnDispenseSql = `
select ${dispenseColumns}
from medication.return_dispense($1, $2, $3, $4, $5)`

/**
 * Takes goods of a handed-over dispense back into stock; returns the return, whose lines are negative.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005), IdempotencyKeyReusedError (IM011),
 * WitnessRequiredError (IM403), OverDispenseError (IM404) more than was given
 */
export async function returnDispense(tx: Transaction, input: ReturnDispenseInput): Promise<Dispense> {
  const { dispenseId, lines, reason, key, checkedBy = null } = input
  return single(await tx.query<Dispense>(returnDispenseSql, [dispenseId, lines.map(toColumns), reason, key, checkedBy]))
}
