import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { itemColumns, orderColumns, type LabOrder, type LabOrderItem } from './rows.ts'

export interface PlaceLabOrderInput {
  readonly patientId: string
  /** Codes of tests and panels. */
  readonly codes: readonly string[]
  /** The visit or stay that is charged; without one, `clinicId`. */
  readonly encounterId?: string
  readonly clinicId?: string
  /** A doctor of the house, or the name of one from outside. */
  readonly orderingDoctorId?: string
  readonly externalDoctor?: string
  readonly source?: 'opd' | 'ipd' | 'emergency' | 'outside' | 'camp'
  readonly priority?: 'routine' | 'urgent' | 'stat'
  readonly fasting?: 'yes' | 'no' | 'unknown'
  /** Encrypted by the caller. */
  readonly clinicalInfoEnc?: Uint8Array
  /** The clinical order that this one carries out: it gets one laboratory order. */
  readonly serviceRequestId?: string
  readonly orderedAt?: Date
  /** Makes a call without a service request repeatable. */
  readonly key?: string
}

export const placeLabOrderSql = `
select ${orderColumns}
from laboratory.place_order($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`

/**
 * Orders tests and panels for a patient and charges the encounter.
 * @throws NotFoundError (IM005), RequestInProgressError (IM010), IdempotencyKeyReusedError (IM011)
 */
export async function placeLabOrder(tx: Transaction, input: PlaceLabOrderInput): Promise<LabOrder> {
  const rows = await tx.query<LabOrder>(placeLabOrderSql, [
    input.patientId,
    input.codes,
    input.encounterId ?? null,
    input.clinicId ?? null,
    input.orderingDoctorId ?? null,
    input.externalDoctor ?? null,
    input.source ?? 'opd',
    input.priority ?? 'routine',
    input.fasting ?? null,
    input.clinicalInfoEnc ?? null,
    input.serviceRequestId ?? null,
    input.orderedAt ?? null,
    input.key ?? null,
  ])
  return single(rows)
}

export const cancelLabOrderItemSql = `select ${itemColumns}\nfrom laboratory.cancel_order_item($1, $2)`

/**
 * Cancels a test that is not in process yet, and its planned sample when nothing else needs it.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function cancelLabOrderItem(tx: Transaction, orderItemId: string, reason: string): Promise<LabOrderItem> {
  return single(await tx.query<LabOrderItem>(cancelLabOrderItemSql, [orderItemId, reason]))
}

export const cancelLabOrderSql = `select ${orderColumns}\nfrom laboratory.cancel_order($1, $2)`

/**
 * Cancels all tests of an order, or none when one is in process.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function cancelLabOrder(tx: Transaction, orderId: string, reason: string): Promise<LabOrder> {
  return single(await tx.query<LabOrder>(cancelLabOrderSql, [orderId, reason]))
}
