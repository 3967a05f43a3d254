import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

/** Money from a payer for a claim. Amounts are decimal text. */
export interface ClaimPayment {
  readonly id: string
  readonly payerId: string
  readonly claimId: string | null
  /** Unique transaction reference of the bank transfer. */
  readonly utr: string
  readonly amount: string
  readonly net: string
  /** How much of the amount pays bills. */
  readonly allocated: string
  readonly status: 'notified' | 'acknowledged' | 'disputed' | 'reconciled'
  readonly rowVersion: number
}

const paymentColumns = `
  id, payer_id as "payerId", claim_id as "claimId", utr, amount, net, allocated, status, row_version as "rowVersion"`

export interface PaymentNotice {
  readonly payerId: string
  readonly utr: string
  /** Calendar date, YYYY-MM-DD. */
  readonly paidOn: string
  /** Before tax was deducted; decimal text or number. */
  readonly amount: string | number
  readonly claimId?: string
  /** Tax deducted at source. */
  readonly tds?: string | number
  readonly deductions?: readonly object[]
  readonly noticeCorrelationId?: string
  /** The envelope that brought it. */
  readonly messageId?: string
}

export const recordPaymentNoticeSql = `
select ${paymentColumns}
from insurance.record_payment_notice($1, $2, $3::date, $4, $5, $6, $7::jsonb, $8, $9)`

/**
 * Stores a payer's notice, once per transfer and claim; more than was approved is kept as disputed.
 * @throws NotFoundError (IM005), IdempotencyKeyReusedError (IM011) noticed before with another amount
 */
export async function recordPaymentNotice(tx: Transaction, notice: PaymentNotice): Promise<ClaimPayment> {
  const { payerId, utr, paidOn, amount, claimId = null, tds = 0, deductions = [] } = notice
  const { noticeCorrelationId = null, messageId = null } = notice
  return single(
    await tx.query<ClaimPayment>(recordPaymentNoticeSql, [
      payerId,
      utr,
      paidOn,
      amount,
      claimId,
      tds,
      JSON.stringify(deductions),
      noticeCorrelationId,
      messageId,
    ]),
  )
}

export const settleClaimPaymentSql = `select ${paymentColumns}\nfrom insurance.settle_claim_payment($1, $2)`

/**
 * Takes the money: claim and case are paid, the wallet falls, the payer's open bills are paid. A disputed one needs a
 * reason to be accepted.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function settleClaimPayment(
  tx: Transaction,
  claimPaymentId: string,
  reason: string | null = null,
): Promise<ClaimPayment> {
  return single(await tx.query<ClaimPayment>(settleClaimPaymentSql, [claimPaymentId, reason]))
}

export const disputeClaimPaymentSql = `select ${paymentColumns}\nfrom insurance.dispute_claim_payment($1, $2)`

/**
 * Objects to a payment that was noticed.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function disputeClaimPayment(
  tx: Transaction,
  claimPaymentId: string,
  reason: string,
): Promise<ClaimPayment> {
  return single(await tx.query<ClaimPayment>(disputeClaimPaymentSql, [claimPaymentId, reason]))
}
