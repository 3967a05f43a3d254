import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

/** Money that goes back. */
export interface Refund {
  readonly id: string
  readonly refundNumber: string
  readonly paymentId: string
  /** Exact decimal text. */
  readonly amount: string
  readonly requestedBy: string
  readonly approvedBy: string | null
  readonly completedAt: Date | null
  readonly failureCode: string | null
  readonly status: 'requested' | 'approved' | 'rejected' | 'processing' | 'completed' | 'failed'
}

const refundColumns = `
  id, refund_number as "refundNumber", payment_id as "paymentId", amount, requested_by as "requestedBy",
  approved_by as "approvedBy", completed_at as "completedAt", failure_code as "failureCode", status`

export interface RequestRefundInput {
  readonly key: string
  readonly paymentId: string
  readonly amount: string
  readonly reason: string
}

export const requestRefundSql = `select ${refundColumns}\nfrom payment.request_refund($1, $2, $3, $4)`

/**
 * Asks for money back and reserves it. Same key, same refund.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005), NotPermittedError (IM006),
 * IdempotencyKeyReusedError (IM011), RefundTooMuchError (IM582)
 */
export async function requestRefund(tx: Transaction, input: RequestRefundInput): Promise<Refund> {
  const { key, paymentId, amount, reason } = input
  return single(await tx.query<Refund>(requestRefundSql, [key, paymentId, amount, reason]))
}

export const approveRefundSql = `select ${refundColumns}\nfrom payment.approve_refund($1)`

/**
 * A second user approves a refund.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006), RefundTooMuchError (IM582)
 */
export async function approveRefund(tx: Transaction, refundId: string): Promise<Refund> {
  return single(await tx.query<Refund>(approveRefundSql, [refundId]))
}

export const rejectRefundSql = `select ${refundColumns}\nfrom payment.reject_refund($1, $2)`

/**
 * Turns a refund down that is asked for, or that failed.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function rejectRefund(tx: Transaction, refundId: string, reason: string): Promise<Refund> {
  return single(await tx.query<Refund>(rejectRefundSql, [refundId, reason]))
}

export interface RefundResultInput {
  readonly refundId: string
  readonly outcome: 'processing' | 'completed' | 'failed'
  readonly providerRef?: string
  readonly failureCode?: string
}

export const recordRefundResultSql = `select ${refundColumns}\nfrom payment.record_refund_result($1, $2, $3, $4)`

/**
 * An approved refund is on its way, back (at the counter: handed over), or failed.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), AccountClosedError (IM558), RefundTooMuchError (IM582)
 */
export async function recordRefundResult(tx: Transaction, input: RefundResultInput): Promise<Refund> {
  const { refundId, outcome, providerRef = null, failureCode = null } = input
  return single(await tx.query<Refund>(recordRefundResultSql, [refundId, outcome, providerRef, failureCode]))
}
