import type { Transaction } from '@imhotep/postgres'
import { single, toColumns } from '../rows.ts'
import type { DischargeKind } from './admission.ts'

/** Content of a summary; text comes encrypted. */
export interface DischargeSummaryContent {
  /** Further sections; stg_answers holds answers to questions of guidelines. */
  readonly sections?: object
  /** {code_system, code, display, icd10, rank} */
  readonly finalDiagnoses?: readonly object[]
  /** {code_system, code, display, on} */
  readonly procedures?: readonly object[]
  readonly courseEnc?: Uint8Array
  readonly conditionAtDischarge?: string
  readonly medications?: readonly object[]
  readonly followUp?: readonly object[]
  readonly adviceEnc?: Uint8Array
  readonly carePlan?: object
  readonly causeOfDeath?: object
}

/** A discharge summary, without its text. */
export interface DischargeSummary {
  readonly id: string
  readonly summaryNumber: string
  readonly encounterId: string
  readonly patientId: string
  readonly admissionId: string
  readonly dischargeKind: DischargeKind
  readonly stgStatus: 'not_checked' | 'not_applicable' | 'failed' | 'waived' | 'passed'
  readonly preparedBy: string
  readonly approvedBy: string | null
  readonly approvedAt: Date | null
  readonly handedOverAt: Date | null
  readonly amendsId: string | null
  readonly status: 'draft' | 'in_review' | 'final' | 'amended' | 'cancelled' | 'entered_in_error'
  readonly rowVersion: number
}

export const dischargeSummaryColumns = `
  id, summary_number as "summaryNumber", encounter_id as "encounterId", patient_id as "patientId",
  admission_id as "admissionId", discharge_kind as "dischargeKind", stg_status as "stgStatus",
  prepared_by as "preparedBy", approved_by as "approvedBy", approved_at as "approvedAt",
  handed_over_at as "handedOverAt", amends_id as "amendsId", status, row_version as "rowVersion"`

export const prepareDischargeSummarySql = `select ${dischargeSummaryColumns}\nfrom clinical.prepare_discharge_summary($1, $2, $3)`

/**
 * Prepares the summary of a stay. A stay that has one: that summary.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006)
 */
export async function prepareDischargeSummary(
  tx: Transaction,
  admissionId: string,
  dischargeKind: DischargeKind,
  content: DischargeSummaryContent,
): Promise<DischargeSummary> {
  return single(
    await tx.query<DischargeSummary>(prepareDischargeSummarySql, [admissionId, dischargeKind, toColumns(content)]),
  )
}

export const submitDischargeSummarySql = `select ${dischargeSummaryColumns}\nfrom clinical.submit_discharge_summary($1)`

/**
 * A draft goes to review.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function submitDischargeSummary(tx: Transaction, summaryId: string): Promise<DischargeSummary> {
  return single(await tx.query<DischargeSummary>(submitDischargeSummarySql, [summaryId]))
}

export const returnDischargeSummarySql = `select ${dischargeSummaryColumns}\nfrom clinical.return_discharge_summary($1, $2)`

/**
 * A summary in review goes back to who prepared it.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function returnDischargeSummary(
  tx: Transaction,
  summaryId: string,
  reason: string,
): Promise<DischargeSummary> {
  return single(await tx.query<DischargeSummary>(returnDischargeSummarySql, [summaryId, reason]))
}

export const approveDischargeSummarySql = `select ${dischargeSummaryColumns}\nfrom clinical.approve_discharge_summary($1)`

/**
 * Another doctor approves a summary in review, when the guidelines that apply are met or waived: it is final.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006), StgFailedError (IM610)
 */
export async function approveDischargeSummary(tx: Transaction, summaryId: string): Promise<DischargeSummary> {
  return single(await tx.query<DischargeSummary>(approveDischargeSummarySql, [summaryId]))
}

export const amendDischargeSummarySql = `select ${dischargeSummaryColumns}\nfrom clinical.amend_discharge_summary($1, $2, $3)`

/**
 * Prepares a summary that replaces a final one when it is approved; what the content does not say stays.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005), NotPermittedError
 * (IM006)
 */
export async function amendDischargeSummary(
  tx: Transaction,
  summaryId: string,
  content: DischargeSummaryContent,
  reason: string,
): Promise<DischargeSummary> {
  return single(await tx.query<DischargeSummary>(amendDischargeSummarySql, [summaryId, toColumns(content), reason]))
}

export const handOverDischargeSummarySql = `select ${dischargeSummaryColumns}\nfrom clinical.hand_over_discharge_summary($1)`

/**
 * The patient got the final summary.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function handOverDischargeSummary(tx: Transaction, summaryId: string): Promise<DischargeSummary> {
  return single(await tx.query<DischargeSummary>(handOverDischargeSummarySql, [summaryId]))
}
