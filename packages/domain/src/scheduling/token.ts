/** A token of a queue as the operations return it. */
export interface QueueToken {
  readonly id: string
  readonly queueKey: string
  /** Calendar date at the clinic, YYYY-MM-DD. */
  readonly queueDate: string
  readonly tokenNumber: number
  readonly tokenLabel: string
  readonly clinicId: string
  readonly patientId: string | null
  readonly appointmentId: string | null
  readonly counterLocationId: string | null
  readonly priority: number
  readonly recallCount: number
  readonly expiresAt: Date | null
  readonly transferredFromId: string | null
  readonly status: 'waiting' | 'called' | 'in_service' | 'skipped' | 'done' | 'transferred' | 'left' | 'expired'
  readonly rowVersion: number
}

export const tokenColumns = `
  id, queue_key as "queueKey", queue_date as "queueDate", token_number as "tokenNumber", token_label as "tokenLabel",
  clinic_id as "clinicId", patient_id as "patientId", appointment_id as "appointmentId",
  counter_location_id as "counterLocationId", priority, recall_count as "recallCount",
  token_expires_at as "expiresAt", transferred_from_id as "transferredFromId", status, row_version as "rowVersion"`
