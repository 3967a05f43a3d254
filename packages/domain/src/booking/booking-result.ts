/** A booking request as its caller sees it. A refusal is a stored outcome: asked again, the answer is the same. */
export interface BookingResult {
  readonly requestId: string
  readonly appointmentId: string | null
  readonly appointmentNumber: string | null
  readonly status: 'held' | 'confirmed' | 'rejected' | 'released' | 'expired'
  /**
   * IM100 slot cancelled, IM101 full, IM102 past, IM103 the patient has another appointment then, IM104 hold expired,
   * IM105 doctor away, IM106 patient merged or blocked.
   */
  readonly failureCode: string | null
  readonly holdExpiresAt: Date | null
}

export const bookingColumns = `
  request_id as "requestId", appointment_id as "appointmentId", appointment_number as "appointmentNumber", status,
  failure_code as "failureCode", hold_expires_at as "holdExpiresAt"`
