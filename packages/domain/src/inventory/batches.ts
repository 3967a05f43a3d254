import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

export interface StockBatch {
  readonly id: string
  readonly itemId: string
  readonly batchNo: string
  /** Last day of use, YYYY-MM-DD. */
  readonly expiryOn: string
  readonly status:
    'quarantine' | 'available' | 'hold' | 'recalled' | 'expired' | 'rejected' | 'destroyed' | 'returned_to_vendor'
}

const batchColumns = `id, item_id as "itemId", batch_no as "batchNo", expiry_on as "expiryOn", status`

export const releaseBatchSql = `select ${batchColumns}\nfrom inventory.release_batch($1)`

/**
 * A batch in quarantine or on hold becomes available.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), BatchExpiredError (IM501)
 */
export async function releaseBatch(tx: Transaction, batchId: string): Promise<StockBatch> {
  return single(await tx.query<StockBatch>(releaseBatchSql, [batchId]))
}

export const holdBatchSql = `select ${batchColumns}\nfrom inventory.hold_batch($1, $2)`

/**
 * Nothing of the batch leaves a store until it is released.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function holdBatch(tx: Transaction, batchId: string, reason: string): Promise<StockBatch> {
  return single(await tx.query<StockBatch>(holdBatchSql, [batchId, reason]))
}

export const rejectBatchSql = `select ${batchColumns}\nfrom inventory.reject_batch($1, $2)`

/**
 * A batch in quarantine fails its inspection.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function rejectBatch(tx: Transaction, batchId: string, reason: string): Promise<StockBatch> {
  return single(await tx.query<StockBatch>(rejectBatchSql, [batchId, reason]))
}

export const expireBatchesSql = 'select inventory.expire_batches($1) as expired'

/** Marks batches whose last day is over, at most `limit` (default 500); returns how many. For a job every day. */
export async function expireBatches(tx: Transaction, limit = 500): Promise<number> {
  return single(await tx.query<{ expired: number }>(expireBatchesSql, [limit])).expired
}

export const announceExpiringSql = 'select inventory.announce_expiring($1, $2) as announced'

/**
 * Writes event stock.expiring.v1 once for each batch in stock that expires within `days` (default: setting
 * inventory.expiry_warning_days); returns how many. For a job every day.
 */
export async function announceExpiring(tx: Transaction, days: number | null = null, limit = 500): Promise<number> {
  return single(await tx.query<{ announced: number }>(announceExpiringSql, [days, limit])).announced
}
