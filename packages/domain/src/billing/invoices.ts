import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

/** A bill, proforma or credit note as the operations return it. Money is exact decimal text. */
export interface Invoice {
  readonly id: string
  readonly kind: InvoiceKind
  readonly invoiceNumber: string | null
  readonly fiscalYear: string | null
  readonly accountId: string
  readonly payerId: string | null
  readonly subtotal: string
  readonly discount: string
  readonly tax: string
  readonly roundOff: string
  readonly total: string
  readonly allocated: string
  readonly credited: string
  readonly writtenOff: string
  readonly originalInvoiceId: string | null
  readonly status: InvoiceStatus
}

export type InvoiceKind = 'bill_of_supply' | 'tax_invoice' | 'credit_note' | 'proforma'

export type InvoiceStatus =
  'draft' | 'quoted' | 'issued' | 'discarded' | 'partially_paid' | 'paid' | 'credited' | 'written_off'

const invoiceColumns = `
  id, kind, invoice_number as "invoiceNumber", fiscal_year as "fiscalYear", account_id as "accountId",
  payer_id as "payerId", subtotal, discount, tax, round_off as "roundOff", total, allocated, credited,
  written_off as "writtenOff", original_invoice_id as "originalInvoiceId", status`

export interface IssueInvoiceInput {
  readonly accountId: string
  /** Default: every billable charge of the account. */
  readonly chargeItemIds?: readonly string[]
  /** Default: tax_invoice when a charge has GST, else bill_of_supply. */
  readonly kind?: 'bill_of_supply' | 'tax_invoice' | 'proforma'
  /** Series of numbers; default the main one. */
  readonly series?: string
  /** Who owes it; default the patient. */
  readonly payerId?: string
  /** Calendar date, YYYY-MM-DD. */
  readonly dueOn?: string
  readonly key?: string
}

export const issueInvoiceSql = `select ${invoiceColumns}\nfrom billing.issue_invoice($1, $2, $3, $4, $5, $6, $7)`

/**
 * Bills charges of an account and numbers the bill, without gaps. The same key again returns the same bill.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), RequestInProgressError (IM010), IdempotencyKeyReusedError (IM011),
 * AlreadyBilledError (IM557), AccountClosedError (IM558), NothingToBillError (IM559)
 */
export async function issueInvoice(tx: Transaction, input: IssueInvoiceInput): Promise<Invoice> {
  const { accountId, chargeItemIds = null, kind = null, series = '', payerId = null, dueOn = null, key = null } = input
  const values = [accountId, chargeItemIds, kind, series, payerId, dueOn, key]
  return single(await tx.query<Invoice>(issueInvoiceSql, values))
}

export const discardProformaSql = `select ${invoiceColumns}\nfrom billing.discard_proforma($1, $2)`

/**
 * Takes a proforma back.
 * @throws ReasonRequiredError (IM002), NotFoundError (IM005), AlreadyIssuedError (IM550)
 */
export async function discardProforma(tx: Transaction, invoiceId: string, reason: string): Promise<Invoice> {
  return single(await tx.query<Invoice>(discardProformaSql, [invoiceId, reason]))
}

export interface CreditNoteInput {
  readonly invoiceId: string
  readonly reason: string
  /** Default: all that is left of the bill. */
  readonly lines?: readonly { readonly lineNo: number; readonly quantity?: number }[]
  /** True when the charges are to be billed anew; default: they are cancelled. */
  readonly rebill?: boolean
  readonly key?: string
}

export const issueCreditNoteSql = `select ${invoiceColumns}\nfrom billing.issue_credit_note($1, $2, $3, $4, $5)`

/**
 * Takes an issued bill back, wholly or line by line.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005), TotalsMismatchError (IM553),
 * AccountClosedError (IM558), NothingToBillError (IM559)
 */
export async function issueCreditNote(tx: Transaction, input: CreditNoteInput): Promise<Invoice> {
  const { invoiceId, reason, lines, rebill = false, key = null } = input
  const asked = lines?.map(({ lineNo, quantity }) => ({ line_no: lineNo, quantity })) ?? null
  return single(await tx.query<Invoice>(issueCreditNoteSql, [invoiceId, reason, asked, rebill, key]))
}

export const writeOffSql = `select ${invoiceColumns}\nfrom billing.write_off($1, $2, $3)`

/**
 * Gives up what is open of a bill; another user approves it.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005), NotPermittedError (IM006),
 * AccountClosedError (IM558)
 */
export async function writeOff(
  tx: Transaction,
  invoiceId: string,
  reason: string,
  approvedBy: string,
): Promise<Invoice> {
  return single(await tx.query<Invoice>(writeOffSql, [invoiceId, reason, approvedBy]))
}

/** A row of billing.payment_allocations; reversals have an amount below zero. */
export interface Allocation {
  readonly id: string
  readonly invoiceId: string
  readonly creditNoteId: string | null
  readonly amount: string
  readonly reversesId: string | null
}

const allocationColumns = `
  id, invoice_id as "invoiceId", credit_note_id as "creditNoteId", amount, reverses_id as "reversesId"`

export interface AllocateCreditInput {
  readonly creditNoteId: string
  readonly invoiceId: string
  readonly amount: string
  readonly key?: string
}

export const allocateCreditSql = `select ${allocationColumns}\nfrom billing.allocate_credit($1, $2, $3, $4)`

/**
 * Uses what is left of a credit note for another bill of the same patient and payer.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006), IdempotencyKeyReusedError (IM011),
 * OverAllocatedError (IM554), SourceExhaustedError (IM555), AccountClosedError (IM558)
 */
export async function allocateCredit(tx: Transaction, input: AllocateCreditInput): Promise<Allocation> {
  const { creditNoteId, invoiceId, amount, key = null } = input
  return single(await tx.query<Allocation>(allocateCreditSql, [creditNoteId, invoiceId, amount, key]))
}

export const reverseCreditSql = `select ${allocationColumns}\nfrom billing.reverse_credit($1, $2)`

/**
 * Takes back the use of a credit note for another bill.
 * @throws ReasonRequiredError (IM002), NotFoundError (IM005), AccountClosedError (IM558)
 */
export async function reverseCredit(tx: Transaction, allocationId: string, reason: string): Promise<Allocation> {
  return single(await tx.query<Allocation>(reverseCreditSql, [allocationId, reason]))
}
