import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

/** A breach of personal data. */
export interface Breach {
  readonly id: string
  readonly breachNumber: string
  readonly discoveredAt: Date
  readonly affectedCount: number
  /** Six hours after discovery. */
  readonly certInDueAt: Date
  /** 72 hours after discovery. */
  readonly boardDueAt: Date
  readonly certInReportedAt: Date | null
  readonly boardInitialAt: Date | null
  readonly boardDetailedAt: Date | null
  readonly principalsNotifiedAt: Date | null
  readonly status: 'open' | 'contained' | 'reported' | 'closed'
}

const breachColumns = `
  id, breach_number as "breachNumber", discovered_at as "discoveredAt", affected_count as "affectedCount",
  cert_in_due_at as "certInDueAt", board_due_at as "boardDueAt", cert_in_reported_at as "certInReportedAt",
  board_initial_at as "boardInitialAt", board_detailed_at as "boardDetailedAt",
  principals_notified_at as "principalsNotifiedAt", status`

export interface OpenBreachInput {
  /** What happened, without names of persons. */
  readonly nature: string
  /** Kinds of data: contact, identity, health, financial ... */
  readonly categories: readonly string[]
  readonly systems: readonly string[]
  /** Default: now. The clocks run from then. */
  readonly discoveredAt?: Date
  readonly affectedCount?: number
  readonly occurredFrom?: Date
  readonly occurredTo?: Date
  readonly likelyImpact?: string
  readonly incidentId?: string
  readonly id?: string
}

export const openBreachSql = `
select ${breachColumns}
from compliance.open_breach($1, $2, $3, coalesce($4::timestamptz, now()), $5, $6, $7, $8, $9, $10)`

/** A breach was discovered: the clocks of CERT-In and of the Data Protection Board run. */
export async function openBreach(tx: Transaction, input: OpenBreachInput): Promise<Breach> {
  const rows = await tx.query<Breach>(openBreachSql, [
    input.nature,
    input.categories,
    input.systems,
    input.discoveredAt ?? null,
    input.affectedCount ?? 0,
    input.occurredFrom ?? null,
    input.occurredTo ?? null,
    input.likelyImpact ?? null,
    input.incidentId ?? null,
    input.id ?? null,
  ])
  return single(rows)
}

/** Somebody whose data a breach touched. */
export interface AffectedPerson {
  readonly id: string
  readonly breachId: string
  readonly patientId: string | null
  readonly personRef: string | null
  readonly notifiedAt: Date | null
  readonly returned: boolean
}

const personColumns = `
  id, breach_id as "breachId", patient_id as "patientId", person_ref as "personRef", notified_at as "notifiedAt", returned`

export interface AddAffectedPersonInput {
  readonly breachId: string
  readonly patientId?: string
  /** Somebody who is no patient, by the number that the hospital knows them by. */
  readonly personRef?: string
  readonly dataCategories: readonly string[]
}

export const addAffectedPersonSql = `select ${personColumns} from compliance.add_affected_person($1, $2, $3, $4)`

/**
 * Somebody's data was touched; each person is added once.
 * @throws IllegalTransitionError (IM001) the breach is closed, NotFoundError (IM005)
 */
export async function addAffectedPerson(tx: Transaction, input: AddAffectedPersonInput): Promise<AffectedPerson> {
  const { breachId, patientId = null, dataCategories, personRef = null } = input
  return single(await tx.query<AffectedPerson>(addAffectedPersonSql, [breachId, patientId, dataCategories, personRef]))
}

export const recordPersonNoticeSql = `select ${personColumns} from compliance.record_person_notice($1, $2, $3)`

/**
 * An affected person was told, or the notice came back (`returned`).
 * @throws NotFoundError (IM005)
 */
export async function recordPersonNotice(
  tx: Transaction,
  personId: string,
  options: { readonly notificationId?: string; readonly returned?: boolean } = {},
): Promise<AffectedPerson> {
  const { notificationId = null, returned = false } = options
  return single(await tx.query<AffectedPerson>(recordPersonNoticeSql, [personId, notificationId, returned]))
}

export const containBreachSql = `select ${breachColumns} from compliance.contain_breach($1, $2)`

/**
 * It goes on no more: what was done.
 * @throws NotFoundError (IM005)
 */
export async function containBreach(tx: Transaction, breachId: string, measures: string): Promise<Breach> {
  return single(await tx.query<Breach>(containBreachSql, [breachId, measures]))
}

export type BreachStep = 'cert_in' | 'board_initial' | 'board_detailed' | 'principals' | 'hhs'

export const recordBreachReportSql = `
select ${breachColumns} from compliance.record_breach_report($1, $2, coalesce($3::timestamptz, now()))`

/**
 * A report was made; the first instant of a step stays.
 * @throws NotFoundError (IM005), BreachIncompleteError (IM915) somebody was not told
 */
export async function recordBreachReport(
  tx: Transaction,
  breachId: string,
  step: BreachStep,
  at?: Date,
): Promise<Breach> {
  return single(await tx.query<Breach>(recordBreachReportSql, [breachId, step, at ?? null]))
}

export const closeBreachSql = `select ${breachColumns} from compliance.close_breach($1, $2, $3)`

/**
 * Everything is reported, everybody told, the cause known.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), BreachIncompleteError (IM915)
 */
export async function closeBreach(
  tx: Transaction,
  breachId: string,
  rootCause: string,
  measures?: string,
): Promise<Breach> {
  return single(await tx.query<Breach>(closeBreachSql, [breachId, rootCause, measures ?? null]))
}
