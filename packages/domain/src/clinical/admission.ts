export type AdmissionType = 'elective' | 'emergency' | 'transfer' | 'newborn' | 'day_care'

export type AdmissionStatus =
  | 'requested'
  | 'admitted'
  | 'discharge_ordered'
  | 'clinically_discharged'
  | 'billing_cleared'
  | 'discharged'
  | 'cancelled'

export type CareClass =
  'general' | 'semi_private' | 'private' | 'deluxe' | 'icu' | 'hdu' | 'nicu' | 'picu' | 'isolation' | 'day_care'

/** lama: left against medical advice; dama: discharged against it. */
export type DischargeKind = 'normal' | 'lama' | 'dama' | 'transfer' | 'death' | 'absconded'

/** An inpatient stay as the operations return it. */
export interface Admission {
  readonly id: string
  readonly encounterId: string
  readonly admissionNumber: string
  readonly admissionType: AdmissionType
  readonly careClass: CareClass
  readonly admittedAt: Date | null
  readonly dischargeKind: DischargeKind | null
  readonly dischargeOrderedAt: Date | null
  readonly pharmacyClearedAt: Date | null
  readonly billingClearedAt: Date | null
  readonly physicallyLeftAt: Date | null
  readonly status: AdmissionStatus
  readonly rowVersion: number
}

export const admissionColumns = `
  id, encounter_id as "encounterId", admission_number as "admissionNumber", admission_type as "admissionType",
  care_class as "careClass", admitted_at as "admittedAt", discharge_kind as "dischargeKind",
  discharge_ordered_at as "dischargeOrderedAt", pharmacy_cleared_at as "pharmacyClearedAt",
  billing_cleared_at as "billingClearedAt", physically_left_at as "physicallyLeftAt", status,
  row_version as "rowVersion"`
