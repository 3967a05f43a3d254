import type { Transaction } from '@imhotep/postgres'
import { single, toColumns } from '../rows.ts'

/** A payment as the operations return it. Money is exact decimal text. */
export interface Payment {
  readonly id: string
  readonly receiptNumber: string | null
  readonly kind: 'receipt' | 'advance'
  readonly patientId: string | null
  readonly accountId: string | null
  readonly mode: PaymentMode
  readonly amount: string
  readonly allocated: string
  readonly refunded: string
  readonly currency: string
  readonly status: PaymentStatus
}

export type PaymentMode =
  'cash' | 'card' | 'upi' | 'netbanking' | 'cheque' | 'bank_transfer' | 'wallet' | 'mobile_money'

export type PaymentStatus =
  'pending' | 'completed' | 'failed' | 'partially_refunded' | 'refunded' | 'disputed' | 'voided'

/** What a payment is for. */
export interface PaymentItem {
  readonly purpose: 'invoice' | 'appointment' | 'advance' | 'pharmacy' | 'other'
  /** Needed when the purpose is invoice. */
  readonly invoiceId?: string
  readonly appointmentId?: string
  readonly description?: string
  readonly amount: string
}

/** Items as the SQL operations read them. */
export function itemsToColumns(items: readonly PaymentItem[] | undefined): Record<string, unknown>[] | null {
  return items?.map(toColumns) ?? null
}

const paymentColumns = `
  id, receipt_number as "receiptNumber", kind, patient_id as "patientId", account_id as "accountId", mode, amount,
  allocated, refunded, currency, status::text as status`

export interface ReceivePaymentInput {
  readonly key: string
  readonly mode: PaymentMode
  readonly amount: string
  /** Add up to the amount. Default: an advance. */
  readonly items?: readonly PaymentItem[]
  readonly accountId?: string
  readonly patientId?: string
  /** Needed without an account, unless an item names a bill. */
  readonly clinicId?: string
  readonly providerId?: string
  readonly providerRef?: string
  readonly chequeNo?: string
  /** Calendar date, YYYY-MM-DD. */
  readonly chequeOn?: string
  /** ISO 4217. Default: that of the tenant. */
  readonly currency?: string
}

export const receivePaymentSql = `
select ${paymentColumns}
from payment.receive($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`

/**
 * A receipt at the counter; items of purpose invoice pay their bills at once. Same key and content, same payment.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006), RequestInProgressError (IM010),
 * IdempotencyKeyReusedError (IM011), TotalsMismatchError (IM553), OverAllocatedError (IM554), ProviderRefConflictError (IM581)
 */
export async function receivePayment(tx: Transaction, input: ReceivePaymentInput): Promise<Payment> {
  const rows = await tx.query<Payment>(receivePaymentSql, [
    input.key,
    input.mode,
    input.amount,
    itemsToColumns(input.items),
    input.accountId ?? null,
    input.patientId ?? null,
    input.clinicId ?? null,
    input.providerId ?? null,
    input.providerRef ?? null,
    input.chequeNo ?? null,
    input.chequeOn ?? null,
    input.currency ?? null,
  ])
  return single(rows)
}

export const settleChequeSql = `select ${paymentColumns}\nfrom payment.settle_cheque($1, $2, $3)`

/**
 * The bank paid a cheque, or did not, with a reason.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function settleCheque(
  tx: Transaction,
  paymentId: string,
  cleared: boolean,
  reason: string | null = null,
): Promise<Payment> {
  return single(await tx.query<Payment>(settleChequeSql, [paymentId, cleared, reason]))
}

export const voidPaymentSql = `select ${paymentColumns}\nfrom payment.void($1, $2)`

/**
 * Takes back a receipt that was written by mistake and pays nothing.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005), AccountClosedError (IM558)
 */
export async function voidPayment(tx: Transaction, paymentId: string, reason: string): Promise<Payment> {
  return single(await tx.query<Payment>(voidPaymentSql, [paymentId, reason]))
}

export interface AllocatePaymentInput {
  readonly paymentId: string
  readonly invoiceId: string
  readonly amount: string
  readonly key?: string
}

export const allocatePaymentSql = `select ${paymentColumns}\nfrom payment.allocate($1, $2, $3, $4)`

/**
 * Lets a payment pay so much of a bill.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006), IdempotencyKeyReusedError (IM011),
 * OverAllocatedError (IM554), SourceExhaustedError (IM555), CurrencyMismatchError (IM556), AccountClosedError (IM558)
 */
export async function allocatePayment(tx: Transaction, input: AllocatePaymentInput): Promise<Payment> {
  const { paymentId, invoiceId, amount, key = null } = input
  return single(await tx.query<Payment>(allocatePaymentSql, [paymentId, invoiceId, amount, key]))
}

export const reverseAllocationSql = `select ${paymentColumns}\nfrom payment.reverse_allocation($1, $2)`

/**
 * Takes back what a payment paid of a bill.
 * @throws ReasonRequiredError (IM002), NotFoundError (IM005), AccountClosedError (IM558)
 */
export async function reverseAllocation(tx: Transaction, allocationId: string, reason: string): Promise<Payment> {
  return single(await tx.query<Payment>(reverseAllocationSql, [allocationId, reason]))
}
