import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { movementColumns, type StockMovement } from './movement.ts'

/** Quantity of one batch that is promised until it is taken, released or lapses. */
export interface StockReservation {
  readonly id: string
  readonly storeLocationId: string
  readonly itemId: string
  readonly batchId: string
  readonly quantity: number
  /** Taken already. */
  readonly consumed: number
  readonly expiresAt: Date
  readonly status: 'active' | 'consumed' | 'released' | 'expired'
}

const reservationColumns = `
  id, store_location_id as "storeLocationId", item_id as "itemId", batch_id as "batchId",
  quantity::float8 as quantity, consumed::float8 as consumed, expires_at as "expiresAt", status`

export interface ReserveFefoInput {
  readonly storeLocationId: string
  readonly itemId: string
  /** Base units. */
  readonly quantity: number
  /** What it is for, such as prescription_item, and its id. */
  readonly refType: string
  readonly refId: string
  /** Default 30. */
  readonly minutes?: number
  /** Batches that expire earlier are left out, YYYY-MM-DD. Default: today at the clinic. */
  readonly minExpiryOn?: string
  /** Take what there is when it is less than asked. Default false: all or StockShortError. */
  readonly partial?: boolean
}

export const reserveFefoSql = `
select ${reservationColumns}
from inventory.reserve_fefo($1, $2, $3, $4, $5, make_interval(mins => $6), $7, $8)`

/**
 * Reserves an item, the batches that expire first, and returns a row a batch. A reference that holds the same
 * reservation gets it again.
 * @throws NotFoundError (IM005), IdempotencyKeyReusedError (IM011) another quantity, StockShortError (IM500),
 * BatchExpiredError (IM501), BatchRecalledError (IM502), LockTimeoutError (55P03) after 3 s behind other requests
 */
export async function reserveFefo(tx: Transaction, input: ReserveFefoInput): Promise<StockReservation[]> {
  const { minutes = 30, minExpiryOn = null, partial = false } = input
  return tx.query<StockReservation>(reserveFefoSql, [
    input.storeLocationId,
    input.itemId,
    input.quantity,
    input.refType,
    input.refId,
    minutes,
    minExpiryOn,
    partial,
  ])
}

export interface ConsumeReservationInput {
  readonly reservationId: string
  /** Base units; the rest stays reserved. */
  readonly quantity: number
  readonly refType: string
  readonly refId: string
  readonly idempotencyKey: string
  /** Who gets it; without one the movement is an issue, not a dispense. */
  readonly patientId?: string
}

export const consumeReservationSql = `
select ${movementColumns}
from inventory.consume_reservation($1, $2, $3, $4, $5, $6)`

/**
 * Takes all or part of a reservation out of stock; the same key gets the same row.
 * @throws NotFoundError (IM005), IdempotencyKeyReusedError (IM011), BatchExpiredError (IM501),
 * BatchRecalledError (IM502), ReservationGoneError (IM504)
 */
export async function consumeReservation(tx: Transaction, input: ConsumeReservationInput): Promise<StockMovement> {
  const { reservationId, quantity, refType, refId, idempotencyKey, patientId = null } = input
  const params = [reservationId, quantity, refType, refId, idempotencyKey, patientId]
  return single(await tx.query<StockMovement>(consumeReservationSql, params))
}

export const releaseReservationSql = `select ${reservationColumns}\nfrom inventory.release_reservation($1)`

/**
 * Ends a reservation; one that is released or expired stays as it is.
 * @throws NotFoundError (IM005), ReservationGoneError (IM504) when it is used up
 */
export async function releaseReservation(tx: Transaction, reservationId: string): Promise<StockReservation> {
  return single(await tx.query<StockReservation>(releaseReservationSql, [reservationId]))
}

export const expireReservationsSql = 'select inventory.expire_reservations($1) as expired'

/** Ends reservations whose time is over, about `limit` (default 500), and returns how many. For a job every minute. */
export async function expireReservations(tx: Transaction, limit = 500): Promise<number> {
  return single(await tx.query<{ expired: number }>(expireReservationsSql, [limit])).expired
}
