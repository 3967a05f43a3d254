import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

/** How long a class of rows is kept. */
export interface RetentionPolicy {
  readonly id: string
  readonly class: string
  readonly keepFor: string
  readonly startsFrom: RetentionStart
  readonly action: RetentionAction
}

export type RetentionStart = 'created' | 'last_encounter' | 'discharge' | 'majority_age' | 'closure' | 'death'
export type RetentionAction = 'erase' | 'anonymise' | 'archive' | 'drop_partition' | 'crypto_shred'

export interface SetRetentionInput {
  /** Class of rows: medical_record, financial, audit ... */
  readonly class: string
  /** PostgreSQL interval: `5 years`. */
  readonly keepFor: string
  readonly startsFrom: RetentionStart
  readonly action: RetentionAction
  /** The law or decision that it rests on. */
  readonly basis: string
  readonly schema?: string
  readonly table?: string
  /** Days for which logs about these rows are kept, at least 365. */
  readonly minimumLogDays?: number
}

export const setRetentionSql = `
select id, class, keep_for::text as "keepFor", starts_from as "startsFrom", action
from compliance.set_retention($1, $2::interval, $3, $4, $5, $6, $7, $8)`

/**
 * The tenant's own policy, in place of its last one.
 * @throws NotPermittedError (IM006), RetentionMinimumError (IM911) shorter than the law
 */
export async function setRetention(tx: Transaction, input: SetRetentionInput): Promise<RetentionPolicy> {
  const rows = await tx.query<RetentionPolicy>(setRetentionSql, [
    input.class,
    input.keepFor,
    input.startsFrom,
    input.action,
    input.basis,
    input.schema ?? null,
    input.table ?? null,
    input.minimumLogDays ?? 365,
  ])
  return single(rows)
}

export const keptUntilSql = `
select case when isfinite(k) then k end as until from compliance.kept_until($1) as k`

/** Until when law and policies keep the patient's record; null for ever. */
export async function keptUntil(tx: Transaction, patientId: string): Promise<Date | null> {
  return single(await tx.query<{ until: Date | null }>(keptUntilSql, [patientId])).until
}

/** A patient whose record is past retention. */
export interface PastRetention {
  readonly patientId: string
  readonly keptUntil: Date
}

export const pastRetentionSql = `
select patient_id as "patientId", kept_until as "keptUntil" from compliance.past_retention($1, $2)`

/** Patients to be told and, 48 hours later, erased under a policy; those under a legal hold are left out. */
export function pastRetention(tx: Transaction, policyId: string, limit = 100): Promise<PastRetention[]> {
  return tx.query<PastRetention>(pastRetentionSql, [policyId, limit])
}

/** One step of an erasure, as it is proved. */
export interface Erasure {
  readonly id: string
  readonly table: string
  readonly action: 'crypto_shred' | 'anonymise' | 'erase' | 'drop_partition'
  readonly rowCount: number
  readonly keyKidDestroyed: string | null
  readonly executedAt: Date
}

/** Either the request of the person, or a policy with the patient and the notice that was sent to them. */
export type RunErasureInput =
  { readonly requestId: string } | { readonly policyId: string; readonly patientId: string; readonly noticeId?: string }

export const runErasureSql = `
select
  id, schema_name || '.' || table_name as "table", action, row_count::int as "rowCount",
  key_kid_destroyed as "keyKidDestroyed", executed_at as "executedAt"
from compliance.run_erasure($1, $2, $3, $4)`

/**
 * Erases a person: destroys their data keys and replaces what names them. Asked again, the same proof is returned.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), RetentionHoldError (IM910), RetentionMinimumError (IM911),
 *   NoticeMissingError (IM912)
 */
export function runErasure(tx: Transaction, input: RunErasureInput): Promise<Erasure[]> {
  const params =
    'requestId' in input
      ? [input.requestId, null, null, null]
      : [null, input.policyId, input.patientId, input.noticeId ?? null]
  return tx.query<Erasure>(runErasureSql, params)
}
