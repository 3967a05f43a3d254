// Wrappers of the operations of schema/inventory.
export { type MovementKind, type StockMovement } from './movement.ts'
export { postMovement, type PostMovementInput } from './post-movement.ts'
export {
  consumeReservation,
  expireReservations,
  releaseReservation,
  reserveFefo,
  type ConsumeReservationInput,
  type ReserveFefoInput,
  type StockReservation,
} from './reservations.ts'
export { transferStock, type TransferStockInput } from './transfer.ts'
export { countAdjust, type CountAdjustInput } from './count-adjust.ts'
export { announceExpiring, expireBatches, holdBatch, rejectBatch, releaseBatch, type StockBatch } from './batches.ts'
export { batchRecipients, recallBatch, type BatchRecipient, type RecallBatchInput } from './recall-batch.ts'
export {
  cancelPurchaseOrder,
  closePurchaseOrder,
  createPurchaseOrder,
  decidePurchaseOrder,
  sendPurchaseOrder,
  submitPurchaseOrder,
  type CreatePurchaseOrderInput,
  type PurchaseOrder,
  type PurchaseOrderLine,
} from './purchase-orders.ts'
export {
  inspectGoods,
  postGoodsReceipt,
  receiveGoods,
  refuseGoods,
  type GoodsReceipt,
  type GoodsReceiptLine,
  type ReceiveGoodsInput,
} from './goods-receipts.ts'
export {
  cancelIndent,
  decideIndent,
  issueIndent,
  receiveIndent,
  requestIndent,
  type DecideIndentInput,
  type Indent,
  type IndentLine,
  type IssueIndentInput,
  type ReceiveIndentInput,
  type RequestIndentInput,
} from './indents.ts'
