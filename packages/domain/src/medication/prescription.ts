/** A prescription as the operations return it. */
export interface Prescription {
  readonly id: string
  readonly prescriptionNumber: string
  readonly patientId: string
  readonly encounterId: string
  readonly doctorId: string
  readonly context: PrescriptionContext
  readonly signedAt: Date | null
  readonly status: PrescriptionStatus
  readonly rowVersion: number
}

export type PrescriptionContext = 'opd' | 'ipd' | 'discharge' | 'emergency' | 'teleconsult'

export type PrescriptionStatus =
  'draft' | 'active' | 'partially_dispensed' | 'completed' | 'stopped' | 'cancelled' | 'expired'

export const prescriptionColumns = `
  id, prescription_number as "prescriptionNumber", patient_id as "patientId", encounter_id as "encounterId",
  doctor_id as "doctorId", context, signed_at as "signedAt", status, row_version as "rowVersion"`

/** One medicine of a prescription. Quantities are decimal text, in base units of the stock item. */
export interface PrescriptionItem {
  readonly id: string
  readonly prescriptionId: string
  readonly drugId: string
  readonly quantity: string
  readonly quantityDispensed: string
  readonly stopAt: Date | null
  readonly status: 'draft' | 'active' | 'on_hold' | 'completed' | 'stopped' | 'cancelled' | 'entered_in_error'
  readonly rowVersion: number
}

export const prescriptionItemColumns = `
  id, prescription_id as "prescriptionId", drug_id as "drugId", quantity, quantity_dispensed as "quantityDispensed",
  stop_at as "stopAt", status, row_version as "rowVersion"`
