import type { Transaction } from '@imhotep/postgres'
import { toColumns } from '../rows.ts'
import { movementColumns, type StockMovement } from './movement.ts'

export interface TransferStockInput {
  readonly fromLocationId: string
  readonly toLocationId: string
  /** Each batch once. */
  readonly lines: readonly { readonly batchId: string; readonly quantity: number }[]
  readonly refType: string
  readonly refId: string
  /** 8 to 150 characters, the same for every repetition of one request. */
  readonly idempotencyKey: string
  readonly reasonCode?: string
}

export const transferStockSql = `
select ${movementColumns}
from inventory.transfer($1, $2, $3::jsonb, $4, $5, $6, $7)`

/**
 * Moves batches from one place to another, all lines or none; returns two rows a line, out before in.
 * @throws NotFoundError (IM005), IdempotencyKeyReusedError (IM011), StockNegativeError (IM505)
 */
export async function transferStock(tx: Transaction, input: TransferStockInput): Promise<StockMovement[]> {
  return tx.query<StockMovement>(transferStockSql, [
    input.fromLocationId,
    input.toLocationId,
    input.lines.map((line) => toColumns(line)),
    input.refType,
    input.refId,
    input.idempotencyKey,
    input.reasonCode ?? null,
  ])
}
