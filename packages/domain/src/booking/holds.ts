import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { bookingColumns, type BookingResult } from './booking-result.ts'
import { bookingPayload, type CreateBookingInput } from './create-booking.ts'

export interface HoldSlotInput extends CreateBookingInput {
  /** At most 15. Default 5. */
  readonly minutes?: number
}

export const holdSlotSql = `
select ${bookingColumns}
from booking.hold_slot($1, $2, $3, $4, $5, $6::jsonb, make_interval(mins => $7))`

/**
 * Holds a place of a slot for a few minutes: held, or rejected with a failure code.
 * @throws NotFoundError (IM005) no such patient, IdempotencyKeyReusedError (IM011), NoSuchSlotError (IM100)
 */
export async function holdSlot(tx: Transaction, input: HoldSlotInput): Promise<BookingResult> {
  const rows = await tx.query<BookingResult>(holdSlotSql, [
    input.idempotencyKey,
    input.patientId,
    input.slotId,
    input.type ?? 'new',
    input.channel ?? 'portal',
    bookingPayload(input),
    input.minutes ?? 5,
  ])
  return single(rows)
}

export const confirmHoldSql = `select ${bookingColumns}\nfrom booking.confirm_hold($1)`

/**
 * Turns a held place into an appointment: confirmed, or expired or released with a failure code.
 * @throws NotFoundError (IM005), NotHolderError (IM107)
 */
export async function confirmHold(tx: Transaction, requestId: string): Promise<BookingResult> {
  return single(await tx.query<BookingResult>(confirmHoldSql, [requestId]))
}

export const releaseHoldSql = `select ${bookingColumns}\nfrom booking.release_hold($1)`

/**
 * Gives a held place back: released, or expired.
 * @throws IllegalTransitionError (IM001) when it was confirmed, NotFoundError (IM005), NotHolderError (IM107)
 */
export async function releaseHold(tx: Transaction, requestId: string): Promise<BookingResult> {
  return single(await tx.query<BookingResult>(releaseHoldSql, [requestId]))
}

export const expireHoldsSql = 'select booking.expire_holds($1) as expired'

/** Ends holds whose time is over, at most `limit` (default 500), and returns how many. For a job every minute. */
export async function expireHolds(tx: Transaction, limit = 500): Promise<number> {
  return single(await tx.query<{ expired: number }>(expireHoldsSql, [limit])).expired
}
