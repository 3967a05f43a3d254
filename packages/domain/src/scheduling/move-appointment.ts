import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { appointmentColumns, type Appointment, type AppointmentStatus } from './appointment.ts'

export const confirmAppointmentSql = `select ${appointmentColumns}\nfrom scheduling.confirm_appointment($1)`

/**
 * The patient said that they will come: booked to confirmed.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function confirmAppointment(tx: Transaction, appointmentId: string): Promise<Appointment> {
  return single(await tx.query<Appointment>(confirmAppointmentSql, [appointmentId]))
}

export const cancelAppointmentSql = `select ${appointmentColumns}\nfrom scheduling.cancel_appointment($1, $2)`

/**
 * Cancels an appointment that has not begun and gives its place in the slot back.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005), TooLateError (IM108)
 */
export async function cancelAppointment(tx: Transaction, appointmentId: string, reason: string): Promise<Appointment> {
  return single(await tx.query<Appointment>(cancelAppointmentSql, [appointmentId, reason]))
}

export interface RescheduleInput {
  readonly appointmentId: string
  readonly slotId: string
  readonly reason?: string
}

export const rescheduleAppointmentSql = `select ${appointmentColumns}\nfrom scheduling.reschedule_appointment($1, $2, $3)`

/**
 * Moves a booked or confirmed appointment to another slot and returns the new one: the old place is free exactly when
 * the new one is taken.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NoSuchSlotError (IM100), SlotFullError (IM101),
 * SlotPastError (IM102), PatientClashError (IM103), DoctorAwayError (IM105), TooLateError (IM108)
 */
export async function rescheduleAppointment(tx: Transaction, input: RescheduleInput): Promise<Appointment> {
  const { appointmentId, slotId, reason = null } = input
  return single(await tx.query<Appointment>(rescheduleAppointmentSql, [appointmentId, slotId, reason]))
}

export interface CheckInInput {
  readonly appointmentId: string
  /** Queue that the patient gets a token of, when there is one. */
  readonly queueKey?: string
  /** 0 to 9, higher is called first. Default 0. */
  readonly priority?: number
}

export interface CheckInResult {
  readonly appointmentId: string
  readonly status: AppointmentStatus
  readonly checkedInAt: Date
  readonly tokenId: string | null
  readonly tokenNumber: number | null
  readonly tokenLabel: string | null
}

export const checkInSql = `
select
  appointment_id as "appointmentId", status, checked_in_at as "checkedInAt", token_id as "tokenId",
  token_number as "tokenNumber", token_label as "tokenLabel"
from scheduling.check_in($1, $2, $3)`

/**
 * Booked or confirmed to checked in and, when a queue is named, a token. Asked again: the same answer.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), QueueClosedError (IM150), TokenAlreadyIssuedError (IM151)
 */
export async function checkIn(tx: Transaction, input: CheckInInput): Promise<CheckInResult> {
  const { appointmentId, queueKey = null, priority = 0 } = input
  return single(await tx.query<CheckInResult>(checkInSql, [appointmentId, queueKey, priority]))
}

export const startConsultationSql = `select ${appointmentColumns}\nfrom scheduling.start_consultation($1, $2)`

/**
 * Checked in to in consultation, with the encounter when there is one already; the token goes into service.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function startConsultation(
  tx: Transaction,
  appointmentId: string,
  encounterId: string | null = null,
): Promise<Appointment> {
  return single(await tx.query<Appointment>(startConsultationSql, [appointmentId, encounterId]))
}

export const completeAppointmentSql = `select ${appointmentColumns}\nfrom scheduling.complete_appointment($1)`

/**
 * The consultation is over; the token is done.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function completeAppointment(tx: Transaction, appointmentId: string): Promise<Appointment> {
  return single(await tx.query<Appointment>(completeAppointmentSql, [appointmentId]))
}

export const markNoShowSql = `select ${appointmentColumns}\nfrom scheduling.mark_no_show($1)`

/**
 * The patient did not come; the place stays taken.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function markNoShow(tx: Transaction, appointmentId: string): Promise<Appointment> {
  return single(await tx.query<Appointment>(markNoShowSql, [appointmentId]))
}

export const markLeftSql = `select ${appointmentColumns}\nfrom scheduling.mark_left($1)`

/**
 * The patient checked in and left without being seen; the token leaves its queue.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function markLeft(tx: Transaction, appointmentId: string): Promise<Appointment> {
  return single(await tx.query<Appointment>(markLeftSql, [appointmentId]))
}
