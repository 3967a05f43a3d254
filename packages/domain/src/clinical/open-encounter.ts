import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { encounterColumns, type Encounter, type EncounterClass } from './encounter.ts'

export interface OpenEncounterInput {
  readonly patientId: string
  readonly encounterClass: EncounterClass
  readonly departmentId: string
  readonly attendingDoctorId?: string
  readonly appointmentId?: string
  readonly priority?: 'routine' | 'urgent' | 'emergency'
  readonly payerClass?: 'self' | 'insurance' | 'pmjay' | 'corporate' | 'free'
  /** Encounter that led to this one. */
  readonly parentEncounterId?: string
  readonly referredBy?: string
  /** Encrypted by the application. */
  readonly chiefComplaintEnc?: Uint8Array
  /** Chosen by the caller, so that the request can be repeated. */
  readonly id?: string
}

export const openEncounterSql = `select ${encounterColumns}\nfrom clinical.open_encounter($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`

/**
 * Opens an encounter. An appointment, and an id that the caller chose, give one encounter however often they are sent.
 * @throws NotFoundError (IM005), IdempotencyKeyReusedError (IM011)
 */
export async function openEncounter(tx: Transaction, input: OpenEncounterInput): Promise<Encounter> {
  const {
    patientId,
    encounterClass,
    departmentId,
    attendingDoctorId = null,
    appointmentId = null,
    priority = 'routine',
    payerClass = 'self',
    parentEncounterId = null,
    referredBy = null,
    chiefComplaintEnc = null,
    id = null,
  } = input
  return single(
    await tx.query<Encounter>(openEncounterSql, [
      patientId,
      encounterClass,
      departmentId,
      attendingDoctorId,
      appointmentId,
      priority,
      payerClass,
      parentEncounterId,
      referredBy,
      chiefComplaintEnc,
      id,
    ]),
  )
}
