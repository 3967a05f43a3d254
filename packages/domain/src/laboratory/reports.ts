import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { reportColumns, type DiagnosticReport } from './rows.ts'

export const issueLabReportSql = `select ${reportColumns}\nfrom laboratory.issue_report($1, $2)`

/**
 * Issues the released results of an order: partial while tests are open, else final. `conclusion` is encrypted by the
 * caller. Without anything new the report is returned as it is.
 * @throws NotFoundError (IM005), NotPermittedError (IM006), CriticalNotNotifiedError (IM313)
 */
export async function issueLabReport(
  tx: Transaction,
  orderId: string,
  conclusion: Uint8Array | null = null,
): Promise<DiagnosticReport> {
  return single(await tx.query<DiagnosticReport>(issueLabReportSql, [orderId, conclusion]))
}

export const amendLabReportSql = `select ${reportColumns}\nfrom laboratory.amend_report($1, $2, $3)`

/**
 * A new version of the current final report with a new conclusion and a reason that is printed.
 * @throws ReasonRequiredError (IM002), NotFoundError (IM005), NotPermittedError (IM006), ResultImmutableError (IM311),
 * CriticalNotNotifiedError (IM313)
 */
export async function amendLabReport(
  tx: Transaction,
  reportId: string,
  reason: string,
  conclusion: Uint8Array | null = null,
): Promise<DiagnosticReport> {
  return single(await tx.query<DiagnosticReport>(amendLabReportSql, [reportId, reason, conclusion]))
}

export interface NotifyCriticalInput {
  /** The laboratory result, or the finding of imaging. */
  readonly resultId?: string
  readonly imagingResultId?: string
  readonly notifiedTo: string
  readonly channel: 'phone' | 'in_person' | 'app'
  /** Only a notification that was read back counts. */
  readonly readBack: boolean
  readonly notifiedStaffId?: string
  readonly notifiedAt?: Date
  readonly outcome?: string
  /** How many were asked before. */
  readonly escalationLevel?: number
}

export interface CriticalNotification {
  readonly id: string
  readonly detectedAt: Date
  readonly notifiedAt: Date
  readonly readBack: boolean
  readonly withinTarget: boolean
}

export const notifyCriticalSql = `
select
  id, detected_at as "detectedAt", notified_at as "notifiedAt", read_back as "readBack", within_target as "withinTarget"
from laboratory.notify_critical($1, $2, $3, $4, $5, $6, $7, $8, $9)`

/**
 * Records that a critical value was told to someone who can act.
 * @throws NotFoundError (IM005), NotPermittedError (IM006)
 */
export async function notifyCritical(tx: Transaction, input: NotifyCriticalInput): Promise<CriticalNotification> {
  const rows = await tx.query<CriticalNotification>(notifyCriticalSql, [
    input.resultId ?? null,
    input.notifiedTo,
    input.channel,
    input.readBack,
    input.notifiedStaffId ?? null,
    input.notifiedAt ?? null,
    input.outcome ?? null,
    input.escalationLevel ?? 0,
    input.imagingResultId ?? null,
  ])
  return single(rows)
}
