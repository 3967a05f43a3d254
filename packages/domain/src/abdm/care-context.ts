import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

/** A linkable piece of a patient's record. */
export interface CareContext {
  readonly id: string
  readonly patientId: string
  readonly abhaAccountId: string | null
  readonly hipId: string
  readonly patientReference: string
  readonly reference: string
  /** What the patient reads; never a word of the record. */
  readonly display: string
  readonly hiType: string
  readonly linkedAt: Date | null
  readonly status: 'pending' | 'link_requested' | 'linked' | 'notified' | 'failed' | 'unlinked' | 'withdrawn'
}

const contextColumns = `
  id, patient_id as "patientId", abha_account_id as "abhaAccountId", hip_id as "hipId",
  patient_reference as "patientReference", reference, display, hi_type as "hiType", linked_at as "linkedAt", status`

export interface AddCareContextInput {
  readonly patientId: string
  /** A code of value set urn:abdm:hi-types, such as DischargeSummary. */
  readonly hiType: string
  /** Table and row of the record, such as clinical.discharge_summaries. */
  readonly sourceType: string
  readonly sourceId: string
  /** Calendar date, YYYY-MM-DD. */
  readonly recordDate: string
  readonly encounterId?: string
  /** Default: the active registration of the encounter's clinic. */
  readonly hipId?: string
}

export const addCareContextSql = `select ${contextColumns}\nfrom abdm.add_care_context($1, $2, $3, $4, $5, $6, $7)`

/**
 * Makes a row of the record linkable as one HI type; again is the same context.
 * @throws NotFoundError (IM005)
 */
export async function addCareContext(tx: Transaction, input: AddCareContextInput): Promise<CareContext> {
  const { patientId, hiType, sourceType, sourceId, recordDate, encounterId = null, hipId = null } = input
  const params = [patientId, hiType, sourceType, sourceId, recordDate, encounterId, hipId]
  return single(await tx.query<CareContext>(addCareContextSql, params))
}

export const markContextsNotifiedSql = 'select abdm.mark_contexts_notified($1) as notified'

/** The consent manager was told of new data in these contexts; returns how many were linked and not yet marked. */
export async function markContextsNotified(tx: Transaction, contextIds: readonly string[]): Promise<number> {
  return single(await tx.query<{ notified: number }>(markContextsNotifiedSql, [contextIds])).notified
}

export interface UnlinkContextInput {
  readonly contextId: string
  readonly reason: string
  /** For good: it can never be linked again. Default false. */
  readonly withdraw?: boolean
}

export const unlinkCareContextSql = `select ${contextColumns}\nfrom abdm.unlink_care_context($1, $2, $3)`

/**
 * Takes a context back from the network.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function unlinkCareContext(tx: Transaction, input: UnlinkContextInput): Promise<CareContext> {
  const { contextId, reason, withdraw = false } = input
  return single(await tx.query<CareContext>(unlinkCareContextSql, [contextId, reason, withdraw]))
}
