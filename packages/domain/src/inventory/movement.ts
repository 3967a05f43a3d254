/** A row of the ledger. Quantities are base units of the item: positive in, negative out. */
export interface StockMovement {
  readonly id: string
  readonly movedAt: Date
  readonly kind: MovementKind | 'transfer_out' | 'transfer_in'
  readonly storeLocationId: string
  readonly itemId: string
  readonly batchId: string
  readonly quantity: number
  /** What the store had of the batch afterwards. */
  readonly balanceAfter: number
  readonly refType: string
  readonly refId: string
  /** Of a transfer_in: its transfer_out. */
  readonly counterMovementId: string | null
  readonly patientId: string | null
}

/** In: opening, receipt, return_in, adjust_up. All others go out. */
export type MovementKind =
  | 'opening'
  | 'receipt'
  | 'return_in'
  | 'adjust_up'
  | 'issue'
  | 'dispense'
  | 'consume'
  | 'return_out'
  | 'adjust_down'
  | 'expiry_writeoff'
  | 'destroy'

export const movementColumns = `
  id, moved_at as "movedAt", kind, store_location_id as "storeLocationId", item_id as "itemId", batch_id as "batchId",
  quantity::float8 as quantity, balance_after::float8 as "balanceAfter", ref_type as "refType", ref_id as "refId",
  counter_movement_id as "counterMovementId", patient_id as "patientId"`
