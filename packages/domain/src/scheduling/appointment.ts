/** An appointment as the operations return it. */
export interface Appointment {
  readonly id: string
  readonly appointmentNumber: string
  readonly patientId: string
  readonly clinicId: string
  readonly doctorId: string | null
  readonly slotId: string | null
  readonly startsAt: Date
  readonly endsAt: Date
  readonly status: AppointmentStatus
  readonly rescheduledFromId: string | null
  readonly rowVersion: number
}

export type AppointmentStatus =
  | 'proposed'
  | 'booked'
  | 'confirmed'
  | 'checked_in'
  | 'in_consultation'
  | 'completed'
  | 'cancelled'
  | 'rescheduled'
  | 'no_show'
  | 'left'

export const appointmentColumns = `
  id, appointment_number as "appointmentNumber", patient_id as "patientId", clinic_id as "clinicId",
  doctor_id as "doctorId", slot_id as "slotId", starts_at as "startsAt", ends_at as "endsAt", status,
  rescheduled_from_id as "rescheduledFromId", row_version as "rowVersion"`
