import type { Transaction } from '@imhotep/postgres'
import { single, toColumns } from '../rows.ts'

/** What was measured; what was not is left out. */
export interface VitalSignValues {
  /** Degrees Celsius. */
  readonly temperatureC?: number
  /** Beats a minute. */
  readonly pulse?: number
  /** Breaths a minute. */
  readonly respRate?: number
  /** mmHg. */
  readonly systolic?: number
  /** mmHg. */
  readonly diastolic?: number
  /** Percent. */
  readonly spo2?: number
  /** Scale of NEWS2; 2 for hypercapnic failure. Default 1. */
  readonly spo2Scale?: 1 | 2
  readonly onOxygen?: boolean
  readonly weightKg?: number
  readonly heightCm?: number
  /** 0 to 10. */
  readonly painScore?: number
  /** Alert, new Confusion, Voice, Pain, Unresponsive. */
  readonly consciousness?: 'A' | 'C' | 'V' | 'P' | 'U'
  readonly glucoseMgDl?: number
  /** The replaced set should not exist. */
  readonly isError?: boolean
}

/** A set of vital signs as it was stored. */
export interface VitalSigns {
  readonly id: string
  readonly measuredAt: Date
  readonly patientId: string
  readonly encounterId: string | null
  /** Early-warning score, 0 to 20; null when a part is missing or the patient is a child. */
  readonly news2: number | null
  readonly replacesId: string | null
  readonly isError: boolean
}

export const vitalSignsColumns = `
  id, measured_at as "measuredAt", patient_id as "patientId", encounter_id as "encounterId", news2,
  replaces_id as "replacesId", is_error as "isError"`

export interface RecordVitalSignsInput {
  readonly patientId: string
  readonly encounterId: string | null
  readonly values: VitalSignValues
  readonly measuredAt?: Date
  readonly deviceId?: string
  readonly id?: string
  readonly replacesId?: string
}

export const recordVitalSignsSql = `select ${vitalSignsColumns}\nfrom clinical.record_vital_signs($1, $2, $3, $4, $5, $6, $7)`

/**
 * Records a set of vital signs with its early-warning score. An id that the caller chose is recorded once; replacesId
 * corrects an earlier set.
 * @throws NotFoundError (IM005), NotPermittedError (IM006), IdempotencyKeyReusedError (IM011)
 */
export async function recordVitalSigns(tx: Transaction, input: RecordVitalSignsInput): Promise<VitalSigns> {
  const {
    patientId,
    encounterId,
    values,
    measuredAt = new Date(),
    deviceId = null,
    id = null,
    replacesId = null,
  } = input
  return single(
    await tx.query<VitalSigns>(recordVitalSignsSql, [
      patientId,
      encounterId,
      toColumns(values),
      measuredAt,
      deviceId,
      id,
      replacesId,
    ]),
  )
}

export interface News2Input {
  readonly respRate: number
  readonly spo2: number
  readonly onOxygen: boolean
  readonly systolic: number
  readonly pulse: number
  readonly consciousness: 'A' | 'C' | 'V' | 'P' | 'U'
  readonly temperatureC: number
  readonly spo2Scale?: 1 | 2
}

export const news2Sql = 'select clinical.news2($1, $2, $3, $4, $5, $6, $7, $8) as score'

/**
 * NEWS2, 0 to 20, of a person of 16 years or older; null when a part is missing. 5 asks for urgent review, 7 for
 * emergency assessment.
 */
export async function news2(tx: Transaction, input: News2Input): Promise<number | null> {
  const { respRate, spo2, onOxygen, systolic, pulse, consciousness, temperatureC, spo2Scale = 1 } = input
  return single(
    await tx.query<{ score: number | null }>(news2Sql, [
      respRate,
      spo2,
      onOxygen,
      systolic,
      pulse,
      consciousness,
      temperatureC,
      spo2Scale,
    ]),
  ).score
}
