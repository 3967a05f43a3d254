import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

/** A near miss, adverse or sentinel event, non-conformity, infection, drug reaction or complaint. */
export interface Incident {
  readonly id: string
  readonly incidentNumber: string
  readonly kind: IncidentKind
  readonly severity: IncidentSeverity
  /** Member of staff; null for an anonymous report. */
  readonly reportedBy: string | null
  readonly status: 'reported' | 'under_review' | 'action_planned' | 'action_done' | 'closed' | 'rejected'
}

export type IncidentKind =
  | 'near_miss'
  | 'adverse_event'
  | 'sentinel'
  | 'medication_error'
  | 'adr'
  | 'fall'
  | 'pressure_injury'
  | 'hai'
  | 'needle_stick'
  | 'lab_nonconformity'
  | 'equipment'
  | 'security'
  | 'complaint'
  | 'other'

export type IncidentSeverity = 'none' | 'mild' | 'moderate' | 'severe' | 'death'

const incidentColumns = `id, incident_number as "incidentNumber", kind, severity, reported_by as "reportedBy", status`

export interface ReportIncidentInput {
  readonly kind: IncidentKind
  readonly departmentId: string
  readonly severity: IncidentSeverity
  /** Encrypted by the application. */
  readonly descriptionEnc: Uint8Array
  /** Default: now. */
  readonly occurredAt?: Date
  /** The row will not say who reported. */
  readonly anonymous?: boolean
  readonly patientId?: string
  readonly encounterId?: string
  /** What it is about: `schema.table` and the id of its row. */
  readonly subject?: { readonly type: string; readonly id: string }
  readonly immediateAction?: string
  readonly id?: string
}

export const reportIncidentSql = `
select ${incidentColumns}
from compliance.report_incident($1, $2, $3, $4, coalesce($5::timestamptz, now()), $6, $7, $8, $9, $10, $11, $12)`

/**
 * Reports an incident.
 * @throws NotPermittedError (IM006) the user is no member of staff
 */
export async function reportIncident(tx: Transaction, input: ReportIncidentInput): Promise<Incident> {
  const rows = await tx.query<Incident>(reportIncidentSql, [
    input.kind,
    input.departmentId,
    input.severity,
    input.descriptionEnc,
    input.occurredAt ?? null,
    input.anonymous ?? false,
    input.patientId ?? null,
    input.encounterId ?? null,
    input.subject?.type ?? null,
    input.subject?.id ?? null,
    input.immediateAction ?? null,
    input.id ?? null,
  ])
  return single(rows)
}

export interface RootCause {
  readonly method: string
  readonly causes: readonly string[]
}

export const reviewIncidentSql = `select ${incidentColumns} from compliance.review_incident($1, $2::jsonb)`

/**
 * Begins the review, or writes down the root cause that it found.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function reviewIncident(tx: Transaction, incidentId: string, rootCause?: RootCause): Promise<Incident> {
  return single(await tx.query<Incident>(reviewIncidentSql, [incidentId, rootCause ?? null]))
}

export const rejectIncidentSql = `select ${incidentColumns} from compliance.reject_incident($1, $2)`

/**
 * The report is none, or a second one of the same.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function rejectIncident(tx: Transaction, incidentId: string, reason: string): Promise<Incident> {
  return single(await tx.query<Incident>(rejectIncidentSql, [incidentId, reason]))
}

export interface PlanIncidentActionInput {
  readonly incidentId: string
  readonly correctiveAction: string
  readonly preventiveAction?: string
  /** Member of staff who sees to it. */
  readonly ownerId: string
  /** ISO date. */
  readonly dueOn: string
}

export const planIncidentActionSql = `
select ${incidentColumns} from compliance.plan_incident_action($1, $2, $3, $4, $5)`

/**
 * What puts it right, who sees to it and until when.
 * @throws IllegalTransitionError (IM001) also for a sentinel event without root cause, NotFoundError (IM005)
 */
export async function planIncidentAction(tx: Transaction, input: PlanIncidentActionInput): Promise<Incident> {
  const { incidentId, correctiveAction, ownerId, dueOn, preventiveAction = null } = input
  return single(
    await tx.query<Incident>(planIncidentActionSql, [incidentId, correctiveAction, ownerId, dueOn, preventiveAction]),
  )
}

export const finishIncidentActionSql = `
select ${incidentColumns} from compliance.finish_incident_action($1, coalesce($2::date, current_date))`

/**
 * What was planned is done, by default today.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function finishIncidentAction(tx: Transaction, incidentId: string, doneOn?: string): Promise<Incident> {
  return single(await tx.query<Incident>(finishIncidentActionSql, [incidentId, doneOn ?? null]))
}

export const closeIncidentSql = `select ${incidentColumns} from compliance.close_incident($1, $2, $3)`

/**
 * It helped, and how that was seen.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function closeIncident(
  tx: Transaction,
  incidentId: string,
  effectiveness: string,
  correctiveAction?: string,
): Promise<Incident> {
  return single(await tx.query<Incident>(closeIncidentSql, [incidentId, effectiveness, correctiveAction ?? null]))
}

export const reopenIncidentSql = `select ${incidentColumns} from compliance.reopen_incident($1, $2)`

/**
 * What was done did not help: another review.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function reopenIncident(tx: Transaction, incidentId: string, reason: string): Promise<Incident> {
  return single(await tx.query<Incident>(reopenIncidentSql, [incidentId, reason]))
}
