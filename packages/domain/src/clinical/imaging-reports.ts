import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

/** A radiologist's report, without its text. */
export interface ImagingReport {
  readonly id: string
  readonly reportNumber: string
  readonly studyId: string
  readonly patientId: string
  readonly isCritical: boolean
  readonly criticalNotifiedTo: string | null
  readonly criticalNotifiedAt: Date | null
  readonly verifiedBy: string | null
  readonly issuedAt: Date | null
  readonly amendsId: string | null
  readonly status: 'registered' | 'preliminary' | 'final' | 'amended' | 'corrected' | 'cancelled' | 'entered_in_error'
  readonly rowVersion: number
}

export const imagingReportColumns = `
  id, report_number as "reportNumber", study_id as "studyId", patient_id as "patientId",
  is_critical as "isCritical", critical_notified_to as "criticalNotifiedTo",
  critical_notified_at as "criticalNotifiedAt", verified_by as "verifiedBy", issued_at as "issuedAt",
  amends_id as "amendsId", status, row_version as "rowVersion"`

export interface ReportImagingStudyInput {
  readonly studyId: string
  /** Encrypted by the application. */
  readonly findingsEnc: Uint8Array
  /** Encrypted by the application. */
  readonly impressionEnc: Uint8Array
  readonly isCritical?: boolean
  readonly conclusionCodes?: readonly string[]
}

export const reportImagingStudySql = `select ${imagingReportColumns}\nfrom clinical.report_imaging_study($1, $2, $3, $4, $5)`

/**
 * A doctor reports a study, preliminarily; a critical finding is announced at once.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006)
 */
export async function reportImagingStudy(tx: Transaction, input: ReportImagingStudyInput): Promise<ImagingReport> {
  const { studyId, findingsEnc, impressionEnc, isCritical = false, conclusionCodes = null } = input
  return single(
    await tx.query<ImagingReport>(reportImagingStudySql, [
      studyId,
      findingsEnc,
      impressionEnc,
      isCritical,
      conclusionCodes,
    ]),
  )
}

export const noteCriticalToldSql = `select ${imagingReportColumns}\nfrom clinical.note_critical_told($1, $2)`

/**
 * Notes who was told of a critical finding.
 * @throws NotFoundError (IM005), NotPermittedError (IM006)
 */
export async function noteCriticalTold(tx: Transaction, reportId: string, toldTo: string): Promise<ImagingReport> {
  return single(await tx.query<ImagingReport>(noteCriticalToldSql, [reportId, toldTo]))
}

export const verifyImagingReportSql = `select ${imagingReportColumns}\nfrom clinical.verify_imaging_report($1)`

/**
 * A doctor verifies a report: it is final and issued, the order completed.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006), CriticalNotNotifiedError
 * (IM313)
 */
export async function verifyImagingReport(tx: Transaction, reportId: string): Promise<ImagingReport> {
  return single(await tx.query<ImagingReport>(verifyImagingReportSql, [reportId]))
}

export interface AmendImagingReportInput {
  readonly reportId: string
  readonly findingsEnc: Uint8Array
  readonly impressionEnc: Uint8Array
  readonly reason: string
  readonly isCritical?: boolean
  readonly conclusionCodes?: readonly string[]
}

export const amendImagingReportSql = `select ${imagingReportColumns}\nfrom clinical.amend_imaging_report($1, $2, $3, $4, $5, $6)`

/**
 * Writes a report that replaces a final one when it is verified.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005), NotPermittedError
 * (IM006)
 */
export async function amendImagingReport(tx: Transaction, input: AmendImagingReportInput): Promise<ImagingReport> {
  const { reportId, findingsEnc, impressionEnc, reason, isCritical = false, conclusionCodes = null } = input
  return single(
    await tx.query<ImagingReport>(amendImagingReportSql, [
      reportId,
      findingsEnc,
      impressionEnc,
      reason,
      isCritical,
      conclusionCodes,
    ]),
  )
}
