import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { bookingColumns, type BookingResult } from './booking-result.ts'

export interface CreateBookingInput {
  /** 8 to 200 characters, the same for every repetition of one request. */
  readonly idempotencyKey: string
  readonly patientId: string
  readonly slotId: string
  /** Default 'new'. */
  readonly type?: 'new' | 'follow_up' | 'procedure' | 'diagnostic' | 'teleconsult' | 'vaccination'
  /** Default 'counter', of a hold 'portal'. */
  readonly channel?: 'counter' | 'phone' | 'portal' | 'whatsapp' | 'abdm' | 'api'
  readonly priority?: 'routine' | 'urgent' | 'emergency'
  readonly feeStatus?: 'unpaid' | 'paid' | 'waived' | 'free_followup'
  /** Why the patient comes, encrypted. */
  readonly reasonEnc?: Uint8Array
}

export const createBookingSql = `
select ${bookingColumns}
from booking.create_booking($1, $2, $3, $4, $5, $6::jsonb)`

/**
 * Books a place of a slot: confirmed with an appointment, or rejected with a failure code. The same key and content gets
 * the same answer.
 * @throws NotFoundError (IM005) no such patient, IdempotencyKeyReusedError (IM011), NoSuchSlotError (IM100),
 * LockTimeoutError (55P03) after 3 s behind other requests
 */
export async function createBooking(tx: Transaction, input: CreateBookingInput): Promise<BookingResult> {
  const rows = await tx.query<BookingResult>(createBookingSql, [
    input.idempotencyKey,
    input.patientId,
    input.slotId,
    input.type ?? 'new',
    input.channel ?? 'counter',
    bookingPayload(input),
  ])
  return single(rows)
}

/** What a booking carries beside patient and slot, in the form that the database reads. */
export function bookingPayload(input: CreateBookingInput): Record<string, string> {
  return {
    ...(input.priority === undefined ? {} : { priority: input.priority }),
    ...(input.feeStatus === undefined ? {} : { fee_status: input.feeStatus }),
    ...(input.reasonEnc === undefined ? {} : { reason_enc: Buffer.from(input.reasonEnc).toString('base64') }),
  }
}
