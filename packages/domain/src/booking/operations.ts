import { createBooking, createBookingSql } from './create-booking.ts'
import {
  confirmHold,
  confirmHoldSql,
  expireHolds,
  expireHoldsSql,
  holdSlot,
  holdSlotSql,
  releaseHold,
  releaseHoldSql,
} from './holds.ts'

/** The operations of schema/booking that an application may call. */
export const bookingOperations = {
  'booking.create_booking': { sql: createBookingSql, call: createBooking },
  'booking.hold_slot': { sql: holdSlotSql, call: holdSlot },
  'booking.confirm_hold': { sql: confirmHoldSql, call: confirmHold },
  'booking.release_hold': { sql: releaseHoldSql, call: releaseHold },
  'booking.expire_holds': { sql: expireHoldsSql, call: expireHolds },
} as const
