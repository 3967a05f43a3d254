// Wrappers of the operations of schema/booking.
export { type BookingResult } from './booking-result.ts'
export { createBooking, type CreateBookingInput } from './create-booking.ts'
export { confirmHold, expireHolds, holdSlot, releaseHold, type HoldSlotInput } from './holds.ts'
