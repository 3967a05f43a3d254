import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { movementColumns, type StockMovement } from './movement.ts'

export interface CountAdjustInput {
  readonly storeLocationId: string
  readonly batchId: string
  readonly countedQty: number
  /** The staff member who counted; the signed-in user approves and must be somebody else. */
  readonly countedBy: string
  readonly reasonCode: string
  /** The count that the sheet belongs to. */
  readonly countId: string
  readonly idempotencyKey: string
  /** What the book said when it was counted. Default: what it says now. */
  readonly bookQty?: number
}

export const countAdjustSql = `
select ${movementColumns}
from inventory.count_adjust($1, $2, $3, $4, $5, $6, $7, $8)`

/**
 * Brings the book to what was counted; null when nothing differs.
 * @throws NotFoundError (IM005), NotPermittedError (IM006), RequestInProgressError (IM010),
 * IdempotencyKeyReusedError (IM011), StockNegativeError (IM505), ApprovalMissingError (IM506)
 */
export async function countAdjust(tx: Transaction, input: CountAdjustInput): Promise<StockMovement | null> {
  const { storeLocationId, batchId, countedQty, countedBy, reasonCode, countId, idempotencyKey, bookQty = null } = input
  const params = [storeLocationId, batchId, countedQty, countedBy, reasonCode, countId, idempotencyKey, bookQty]
  const row = single(await tx.query<StockMovement | { id: null }>(countAdjustSql, params))
  return row.id === null ? null : row
}
