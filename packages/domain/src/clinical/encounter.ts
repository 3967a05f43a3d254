/** AMB outpatient, EMER emergency, IMP inpatient, OBSENC observation, HH home, VR virtual, SS short stay (day care). */
export type EncounterClass = 'AMB' | 'EMER' | 'IMP' | 'OBSENC' | 'HH' | 'VR' | 'SS'

export type EncounterStatus =
  'planned' | 'arrived' | 'triaged' | 'in_progress' | 'on_leave' | 'finished' | 'cancelled' | 'entered_in_error'

export type Isolation = 'contact' | 'droplet' | 'airborne' | 'protective'

export type Disposition = 'home' | 'admitted' | 'transferred' | 'lama' | 'dama' | 'absconded' | 'expired' | 'other'

/** An encounter as the operations return it. */
export interface Encounter {
  readonly id: string
  readonly encounterNumber: string
  readonly patientId: string
  readonly clinicId: string
  readonly departmentId: string
  readonly class: EncounterClass
  readonly priority: 'routine' | 'urgent' | 'emergency'
  readonly attendingDoctorId: string | null
  /** 1 most urgent to 5. */
  readonly triageLevel: number | null
  readonly isolation: Isolation | null
  /** Number of a medico-legal case. */
  readonly mlcNumber: string | null
  readonly disposition: Disposition | null
  readonly status: EncounterStatus
  readonly rowVersion: number
}

export const encounterColumns = `
  id, encounter_number as "encounterNumber", patient_id as "patientId", clinic_id as "clinicId",
  department_id as "departmentId", class, priority, attending_doctor_id as "attendingDoctorId",
  triage_level as "triageLevel", isolation, mlc_number as "mlcNumber", disposition, status,
  row_version as "rowVersion"`
