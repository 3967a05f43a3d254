import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { dischargeSummaryColumns, type DischargeSummary } from './discharge-summaries.ts'

/** What a criterion of a guideline gave. */
export interface StgResult {
  readonly id: string
  readonly dischargeSummaryId: string | null
  readonly claimId: string | null
  readonly guidelineId: string
  readonly criterionId: string
  readonly outcome: 'pass' | 'fail' | 'not_applicable' | 'missing_data'
  readonly evaluatedAt: Date
  readonly waivedBy: string | null
  readonly waiverReason: string | null
}

export const stgResultColumns = `
  id, discharge_summary_id as "dischargeSummaryId", claim_id as "claimId", guideline_id as "guidelineId",
  criterion_id as "criterionId", outcome, evaluated_at as "evaluatedAt", waived_by as "waivedBy",
  waiver_reason as "waiverReason"`

export const evaluateStgSql = `select ${dischargeSummaryColumns}\nfrom clinical.evaluate_stg($1)`

/**
 * Evaluates the guidelines that apply to a discharge summary in work; view clinical.stg_findings tells what was found.
 * @throws NotFoundError (IM005)
 */
export async function evaluateStg(tx: Transaction, summaryId: string): Promise<DischargeSummary> {
  return single(await tx.query<DischargeSummary>(evaluateStgSql, [summaryId]))
}

export const waiveStgCriterionSql = `select ${stgResultColumns}\nfrom clinical.waive_stg_criterion($1, $2)`

/**
 * A doctor waives a criterion that failed, for a reason. It holds for the input that was evaluated.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005), NotPermittedError
 * (IM006)
 */
export async function waiveStgCriterion(tx: Transaction, resultId: string, reason: string): Promise<StgResult> {
  return single(await tx.query<StgResult>(waiveStgCriterionSql, [resultId, reason]))
}
