import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

/** The check of a task in an EMR. */
export interface EmrVerification {
  readonly id: string
  readonly taskId: string
  readonly resourceRef: string | null
  /** For each field that differs what was expected and observed; for a failed attempt, `error`. */
  readonly discrepancy: Readonly<Record<string, unknown>> | null
  readonly attempts: number
  readonly nextAttemptAt: Date | null
  readonly verifiedAt: Date | null
  readonly method: 'automatic' | 'manual'
  readonly status: VerificationStatus
}

export type VerificationStatus =
  'pending' | 'in_progress' | 'verified' | 'mismatch' | 'failed' | 'manual_review' | 'rejected' | 'expired'

export type ExternalEmr = 'EPIC' | 'CERNER' | 'GENERIC_FHIR'

const verificationColumns = `
  id, task_id as "taskId", resource_ref as "resourceRef", discrepancy, attempts, next_attempt_at as "nextAttemptAt",
  verified_at as "verifiedAt", method, status`

export interface OpenVerificationInput {
  readonly taskId: string
  readonly emrSystem: ExternalEmr
  /** Id of the patient in the EMR. */
  readonly emrPatientId: string
  /** FHIR resource to look for. */
  readonly resourceType: string
  /** Fields that the resource must show, with their values. */
  readonly expected: Readonly<Record<string, unknown>>
  readonly emrConnectionId?: string
  readonly id?: string
}

export const openVerificationSql = `
select ${verificationColumns} from tasking.open_verification($1, $2, $3, $4, $5::jsonb, $6, $7)`

/**
 * The signed-in user did the task: the EMR is to show it. A running verification of the task is returned as it is.
 * @throws NotFoundError (IM005), NotPermittedError (IM006), VerificationMismatchError (IM754) the task is verified or cancelled
 */
export async function openVerification(tx: Transaction, input: OpenVerificationInput): Promise<EmrVerification> {
  const rows = await tx.query<EmrVerification>(openVerificationSql, [
    input.taskId,
    input.emrSystem,
    input.emrPatientId,
    input.resourceType,
    input.expected,
    input.emrConnectionId ?? null,
    input.id ?? null,
  ])
  return single(rows)
}

export const beginVerificationSql = `select ${verificationColumns} from tasking.begin_verification($1)`

/**
 * A worker looks into the EMR now.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function beginVerification(tx: Transaction, verificationId: string): Promise<EmrVerification> {
  return single(await tx.query<EmrVerification>(beginVerificationSql, [verificationId]))
}

export const recordVerificationSql = `
select ${verificationColumns} from tasking.record_verification($1, $2::jsonb, $3)`

/**
 * Reports the resource that the EMR showed. When it shows all that was expected, verification and task are verified.
 * @throws NotFoundError (IM005), VerificationMismatchError (IM754) it is over
 */
export async function recordVerification(
  tx: Transaction,
  verificationId: string,
  observed: Readonly<Record<string, unknown>>,
  resourceRef: string,
): Promise<EmrVerification> {
  return single(await tx.query<EmrVerification>(recordVerificationSql, [verificationId, observed, resourceRef]))
}

export const failVerificationSql = `
select ${verificationColumns} from tasking.fail_verification($1, $2, make_interval(secs => $3::float8))`

/**
 * The EMR did not answer, or has no such resource yet. Without `retrySeconds` the wait doubles, up to six hours.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function failVerification(
  tx: Transaction,
  verificationId: string,
  error: string,
  retrySeconds?: number,
): Promise<EmrVerification> {
  return single(await tx.query<EmrVerification>(failVerificationSql, [verificationId, error, retrySeconds ?? null]))
}

export const repeatVerificationsSql = `select tasking.repeat_verifications($1) as moved`

/** Job: failed verifications whose time has come wait again, or go to a person; returns how many moved. */
export async function repeatVerifications(tx: Transaction, limit = 100): Promise<number> {
  return single(await tx.query<{ moved: number }>(repeatVerificationsSql, [limit])).moved
}

export const decideVerificationSql = `select ${verificationColumns} from tasking.decide_verification($1, $2, $3)`

/**
 * A person looked into the EMR: verified, or rejected with a reason.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005), NotPermittedError (IM006) the
 * user who did the task confirms it
 */
export async function decideVerification(
  tx: Transaction,
  verificationId: string,
  verified: boolean,
  reason?: string,
): Promise<EmrVerification> {
  return single(await tx.query<EmrVerification>(decideVerificationSql, [verificationId, verified, reason ?? null]))
}

/** Verifications of one day, EMR and state. */
export interface VerificationSummary {
  readonly day: string
  readonly emrSystem: ExternalEmr
  readonly status: VerificationStatus
  readonly verifications: number
  readonly attempts: number
  /** Mean minutes from opening to verified, decimal text. */
  readonly minutesToVerify: string | null
}

export const emrVerificationSummarySql = `
select day::text, emr_system as "emrSystem", status, verifications::int, attempts::int, minutes_to_verify as "minutesToVerify"
from tasking.emr_verification_summary($1, $2)`

/** The days from `from` to before `to` (ISO dates), as of the last refresh by the job of the platform. */
export function emrVerificationSummary(tx: Transaction, from: string, to: string): Promise<VerificationSummary[]> {
  return tx.query<VerificationSummary>(emrVerificationSummarySql, [from, to])
}
