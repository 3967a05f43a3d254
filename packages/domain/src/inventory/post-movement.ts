import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { movementColumns, type MovementKind, type StockMovement } from './movement.ts'

export interface PostMovementInput {
  readonly kind: Exclude<MovementKind, 'receipt'>
  readonly storeLocationId: string
  readonly batchId: string
  /** Base units, always positive: the kind gives the direction. */
  readonly quantity: number
  /** What it is for, such as dispense_item, and its id; a reference moves a batch once. */
  readonly refType: string
  readonly refId: string
  /** 8 to 200 characters, the same for every repetition of one request. */
  readonly idempotencyKey: string
  /** All but issue, dispense, consume and return_out need a reason and a staff member who is not the signed-in one. */
  readonly reasonCode?: string
  readonly approvedBy?: string
  /** The staff member who watched a controlled drug being destroyed. */
  readonly witnessId?: string
  readonly patientId?: string
}

export const postMovementSql = `
select ${movementColumns}
from inventory.post_movement($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`

/**
 * Posts a movement of a batch in a store; the same key gets the same row.
 * @throws NotFoundError (IM005), IdempotencyKeyReusedError (IM011), WitnessRequiredError (IM403),
 * BatchExpiredError (IM501), BatchRecalledError (IM502), StockNegativeError (IM505), ApprovalMissingError (IM506),
 * LockTimeoutError (55P03) after 3 s behind other requests
 */
export async function postMovement(tx: Transaction, input: PostMovementInput): Promise<StockMovement> {
  const { reasonCode = null, approvedBy = null, witnessId = null, patientId = null } = input
  const rows = await tx.query<StockMovement>(postMovementSql, [
    input.kind,
    input.storeLocationId,
    input.batchId,
    input.quantity,
    input.refType,
    input.refId,
    input.idempotencyKey,
    reasonCode,
    approvedBy,
    witnessId,
    patientId,
  ])
  return single(rows)
}
