import type { Transaction } from '@imhotep/postgres'
import { single, toColumns } from '../rows.ts'

export interface PurchaseOrder {
  readonly id: string
  readonly poNumber: string
  readonly supplierId: string
  readonly storeLocationId: string
  /** Exact, as text with two decimals. */
  readonly total: string
  readonly currency: string
  readonly approvedBy: string | null
  readonly status:
    | 'draft'
    | 'submitted'
    | 'approved'
    | 'rejected'
    | 'sent'
    | 'partially_received'
    | 'received'
    | 'closed_short'
    | 'cancelled'
}

const orderColumns = `
  id, po_number as "poNumber", supplier_id as "supplierId", store_location_id as "storeLocationId", total, currency,
  approved_by as "approvedBy", status`

export interface PurchaseOrderLine {
  readonly itemId: string
  /** Base units. */
  readonly quantity: number
  /** Exact, as text, of a base unit without tax. */
  readonly unitPrice: string
  /** Percent. Default 0. */
  readonly taxRate?: number
  readonly freeQty?: number
}

export interface CreatePurchaseOrderInput {
  /** Chosen by the client: the same id makes one order. */
  readonly id: string
  readonly supplierId: string
  readonly storeLocationId: string
  readonly lines: readonly PurchaseOrderLine[]
  /** YYYY-MM-DD. */
  readonly expectedOn?: string
  readonly terms?: Readonly<Record<string, string>>
  /** ISO 4217. Default: the tenant's. */
  readonly currency?: string
}

export const createPurchaseOrderSql = `
select ${orderColumns}
from inventory.create_purchase_order($1, $2, $3, $4::jsonb, $5, $6::jsonb, $7)`

/**
 * Drafts an order; the total is computed from the lines.
 * @throws NotFoundError (IM005), NotPermittedError (IM006) supplier blocked or without licence
 */
export async function createPurchaseOrder(tx: Transaction, input: CreatePurchaseOrderInput): Promise<PurchaseOrder> {
  const { id, supplierId, storeLocationId, lines, expectedOn = null, terms = {}, currency = null } = input
  const params = [id, supplierId, storeLocationId, lines.map((line) => toColumns(line)), expectedOn, terms, currency]
  return single(await tx.query<PurchaseOrder>(createPurchaseOrderSql, params))
}

export const submitPurchaseOrderSql = `select ${orderColumns}\nfrom inventory.submit_purchase_order($1)`

/**
 * Draft to submitted.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function submitPurchaseOrder(tx: Transaction, orderId: string): Promise<PurchaseOrder> {
  return single(await tx.query<PurchaseOrder>(submitPurchaseOrderSql, [orderId]))
}

export const decidePurchaseOrderSql = `select ${orderColumns}\nfrom inventory.decide_purchase_order($1, $2, $3)`

/**
 * Approves or rejects a submitted order; the signed-in user must not be the one who ordered.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005), NotPermittedError (IM006),
 * ApprovalMissingError (IM506)
 */
export async function decidePurchaseOrder(
  tx: Transaction,
  orderId: string,
  approve: boolean,
  reason: string | null = null,
): Promise<PurchaseOrder> {
  return single(await tx.query<PurchaseOrder>(decidePurchaseOrderSql, [orderId, approve, reason]))
}

export const sendPurchaseOrderSql = `select ${orderColumns}\nfrom inventory.send_purchase_order($1)`

/**
 * Approved to sent.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function sendPurchaseOrder(tx: Transaction, orderId: string): Promise<PurchaseOrder> {
  return single(await tx.query<PurchaseOrder>(sendPurchaseOrderSql, [orderId]))
}

export const cancelPurchaseOrderSql = `select ${orderColumns}\nfrom inventory.cancel_purchase_order($1, $2)`

/**
 * Cancels an order of which nothing was received.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function cancelPurchaseOrder(tx: Transaction, orderId: string, reason: string): Promise<PurchaseOrder> {
  return single(await tx.query<PurchaseOrder>(cancelPurchaseOrderSql, [orderId, reason]))
}

export const closePurchaseOrderSql = `select ${orderColumns}\nfrom inventory.close_purchase_order($1, $2)`

/**
 * The rest of a partially received order will not come.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function closePurchaseOrder(tx: Transaction, orderId: string, reason: string): Promise<PurchaseOrder> {
  return single(await tx.query<PurchaseOrder>(closePurchaseOrderSql, [orderId, reason]))
}
