import type { Transaction } from '@imhotep/postgres'
import { single, toColumns } from '../rows.ts'

/** One of num (with its unit, UCUM), code, bool and textEnc. */
export interface ObservationValue {
  readonly num?: number
  readonly unit?: string
  readonly code?: string
  readonly bool?: boolean
  /** Encrypted by the application. */
  readonly textEnc?: Uint8Array
  readonly interpretation?: string
  readonly bodySite?: string
  readonly method?: string
}

/** A coded observation as it was stored. */
export interface ClinicalObservation {
  readonly id: string
  readonly effectiveAt: Date
  readonly patientId: string
  readonly codeSystem: string
  readonly code: string
  readonly replacesId: string | null
  readonly status: 'preliminary' | 'final' | 'amended' | 'cancelled' | 'entered_in_error'
}

export const observationColumns = `
  id, effective_at as "effectiveAt", patient_id as "patientId", code_system as "codeSystem", code,
  replaces_id as "replacesId", status`

export interface RecordObservationInput {
  readonly patientId: string
  readonly encounterId: string | null
  readonly category: 'exam' | 'survey' | 'social_history' | 'fluid_balance' | 'activity' | 'wellness' | 'other'
  /** Code system as a URL. */
  readonly codeSystem: string
  readonly code: string
  readonly display: string
  readonly value: ObservationValue
  readonly effectiveAt?: Date
  readonly parentId?: string
  readonly id?: string
  readonly replacesId?: string
}

export const recordObservationSql = `select ${observationColumns}\nfrom clinical.record_observation($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`

/**
 * Records a final observation. An id that the caller chose is recorded once.
 * @throws NotPermittedError (IM006), IdempotencyKeyReusedError (IM011)
 */
export async function recordObservation(tx: Transaction, input: RecordObservationInput): Promise<ClinicalObservation> {
  const {
    patientId,
    encounterId,
    category,
    codeSystem,
    code,
    display,
    value,
    effectiveAt = new Date(),
    parentId = null,
    id = null,
    replacesId = null,
  } = input
  return single(
    await tx.query<ClinicalObservation>(recordObservationSql, [
      patientId,
      encounterId,
      category,
      codeSystem,
      code,
      display,
      toColumns(value),
      effectiveAt,
      parentId,
      id,
      replacesId,
    ]),
  )
}

export const amendObservationSql = `select ${observationColumns}\nfrom clinical.amend_observation($1, $2, $3)`

/**
 * Corrects a final observation by a new row, which is returned.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005), NotPermittedError
 * (IM006)
 */
export async function amendObservation(
  tx: Transaction,
  observationId: string,
  value: ObservationValue,
  reason: string,
): Promise<ClinicalObservation> {
  return single(await tx.query<ClinicalObservation>(amendObservationSql, [observationId, toColumns(value), reason]))
}
