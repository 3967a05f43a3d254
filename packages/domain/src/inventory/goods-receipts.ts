import type { Transaction } from '@imhotep/postgres'
import { single, toColumns } from '../rows.ts'

export interface GoodsReceipt {
  readonly id: string
  readonly grnNumber: string
  readonly poId: string | null
  readonly supplierId: string
  readonly invoiceNo: string
  /** Exact, as text with two decimals. */
  readonly total: string
  readonly temperatureOk: boolean | null
  readonly status: 'draft' | 'inspected' | 'posted' | 'rejected' | 'cancelled'
}

const receiptColumns = `
  id, grn_number as "grnNumber", po_id as "poId", supplier_id as "supplierId", invoice_no as "invoiceNo", total,
  temperature_ok as "temperatureOk", status`

export interface GoodsReceiptLine {
  readonly itemId: string
  readonly batchNo: string
  /** YYYY-MM-DD. */
  readonly expiryOn: string
  readonly mfgOn?: string
  /** Base units taken and paid; free goods come on top. */
  readonly acceptedQty?: number
  readonly freeQty?: number
  readonly rejectedQty?: number
  readonly rejectReason?: string
  /** Exact, as text, of a base unit without tax. */
  readonly unitPrice: string
  readonly mrp?: string
  readonly taxRate?: number
  /** Default: the line of the order for the same item. */
  readonly poItemId?: string
}

export interface ReceiveGoodsInput {
  /** Chosen by the client: the same id makes one receipt. */
  readonly id: string
  readonly supplierId: string
  readonly storeLocationId: string
  readonly invoiceNo: string
  /** YYYY-MM-DD. */
  readonly invoiceOn: string
  readonly lines: readonly GoodsReceiptLine[]
  readonly poId?: string
  /** Whether the cold chain held; leave out for goods that need none. */
  readonly temperatureOk?: boolean
}

export const receiveGoodsSql = `
select ${receiptColumns}
from inventory.receive_goods($1, $2, $3, $4, $5, $6::jsonb, $7, $8)`

/**
 * Takes goods in as a draft; nothing is in stock until it is posted.
 * @throws IllegalTransitionError (IM001) the order awaits no goods, NotFoundError (IM005), NotPermittedError (IM006),
 * ShelfLifeTooShortError (IM530), UniqueViolationError (23505) the invoice was received before
 */
export async function receiveGoods(tx: Transaction, input: ReceiveGoodsInput): Promise<GoodsReceipt> {
  const rows = await tx.query<GoodsReceipt>(receiveGoodsSql, [
    input.id,
    input.supplierId,
    input.storeLocationId,
    input.invoiceNo,
    input.invoiceOn,
    input.lines.map((line) => toColumns(line)),
    input.poId ?? null,
    input.temperatureOk ?? null,
  ])
  return single(rows)
}

export const inspectGoodsSql = `select ${receiptColumns}\nfrom inventory.inspect_goods($1, $2)`

/**
 * The signed-in user checked the goods.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006)
 */
export async function inspectGoods(
  tx: Transaction,
  receiptId: string,
  temperatureOk: boolean | null = null,
): Promise<GoodsReceipt> {
  return single(await tx.query<GoodsReceipt>(inspectGoodsSql, [receiptId, temperatureOk]))
}

export const refuseGoodsSql = `select ${receiptColumns}\nfrom inventory.refuse_goods($1, $2)`

/**
 * Cancels a draft, or rejects goods that were inspected.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function refuseGoods(tx: Transaction, receiptId: string, reason: string): Promise<GoodsReceipt> {
  return single(await tx.query<GoodsReceipt>(refuseGoodsSql, [receiptId, reason]))
}

export const postGoodsReceiptSql = `select ${receiptColumns}\nfrom inventory.post_goods_receipt($1)`

/**
 * Puts inspected goods into stock, once.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006) cold chain broken,
 * BatchRecalledError (IM502), CheckViolationError (23514) more than 105 percent of what was ordered
 */
export async function postGoodsReceipt(tx: Transaction, receiptId: string): Promise<GoodsReceipt> {
  return single(await tx.query<GoodsReceipt>(postGoodsReceiptSql, [receiptId]))
}
