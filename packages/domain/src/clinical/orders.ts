import type { Transaction } from '@imhotep/postgres'
import { single, toColumns } from '../rows.ts'

export type OrderCategory =
  'laboratory' | 'imaging' | 'procedure' | 'referral' | 'consultation' | 'diet' | 'nursing' | 'therapy' | 'blood'

export type OrderPriority = 'routine' | 'urgent' | 'asap' | 'stat'

export interface OrderDetails {
  readonly intent?: 'order' | 'proposal' | 'plan'
  /** FHIR Timing. */
  readonly recurrence?: object
  readonly reasonCode?: string
  readonly referralTo?: string
  /** Orders that are placed together. */
  readonly groupId?: string
}

/** An order as the operations return it. */
export interface ServiceOrder {
  readonly id: string
  readonly orderNumber: string
  readonly patientId: string
  readonly encounterId: string
  readonly category: OrderCategory
  readonly codeSystem: string
  readonly code: string
  readonly display: string
  readonly priority: OrderPriority
  readonly requesterId: string
  readonly requestedAt: Date
  readonly status: 'draft' | 'active' | 'on_hold' | 'completed' | 'revoked' | 'cancelled' | 'entered_in_error'
  readonly rowVersion: number
}

export const serviceOrderColumns = `
  id, order_number as "orderNumber", patient_id as "patientId", encounter_id as "encounterId", category,
  code_system as "codeSystem", code, display, priority, requester_id as "requesterId",
  requested_at as "requestedAt", status, row_version as "rowVersion"`

export interface PlaceOrderInput {
  readonly encounterId: string
  readonly category: OrderCategory
  /** Code system as a URL. */
  readonly codeSystem: string
  readonly code: string
  readonly display: string
  readonly priority?: OrderPriority
  readonly instructions?: string
  readonly targetDepartmentId?: string
  readonly occurrenceAt?: Date
  readonly details?: OrderDetails
  readonly id?: string
}

export const placeOrderSql = `select ${serviceOrderColumns}\nfrom clinical.place_order($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`

/**
 * Places an order. An id that the caller chose is placed once.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006), IdempotencyKeyReusedError
 * (IM011)
 */
export async function placeOrder(tx: Transaction, input: PlaceOrderInput): Promise<ServiceOrder> {
  const {
    encounterId,
    category,
    codeSystem,
    code,
    display,
    priority = 'routine',
    instructions = null,
    targetDepartmentId = null,
    occurrenceAt = null,
    details = {},
    id = null,
  } = input
  return single(
    await tx.query<ServiceOrder>(placeOrderSql, [
      encounterId,
      category,
      codeSystem,
      code,
      display,
      priority,
      instructions,
      targetDepartmentId,
      occurrenceAt,
      toColumns(details),
      id,
    ]),
  )
}

export const holdOrderSql = `select ${serviceOrderColumns}\nfrom clinical.hold_order($1, $2)`

/**
 * An active order waits.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function holdOrder(tx: Transaction, orderId: string, reason: string): Promise<ServiceOrder> {
  return single(await tx.query<ServiceOrder>(holdOrderSql, [orderId, reason]))
}

export const resumeOrderSql = `select ${serviceOrderColumns}\nfrom clinical.resume_order($1)`

/**
 * An order on hold is active again.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function resumeOrder(tx: Transaction, orderId: string): Promise<ServiceOrder> {
  return single(await tx.query<ServiceOrder>(resumeOrderSql, [orderId]))
}

export const completeOrderSql = `select ${serviceOrderColumns}\nfrom clinical.complete_order($1)`

/**
 * What was ordered is done.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function completeOrder(tx: Transaction, orderId: string): Promise<ServiceOrder> {
  return single(await tx.query<ServiceOrder>(completeOrderSql, [orderId]))
}

export const revokeOrderSql = `select ${serviceOrderColumns}\nfrom clinical.revoke_order($1, $2)`

/**
 * An order is not carried out.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function revokeOrder(tx: Transaction, orderId: string, reason: string): Promise<ServiceOrder> {
  return single(await tx.query<ServiceOrder>(revokeOrderSql, [orderId, reason]))
}
