/** A pre-authorisation or claim as the operations return it. Amounts are decimal text. */
export interface InsuranceClaim {
  readonly id: string
  readonly claimNumber: string
  readonly use: 'preauthorization' | 'predetermination' | 'claim'
  readonly caseId: string | null
  readonly relatedClaimId: string | null
  readonly relation: ClaimRelation | null
  /** Joins the last submission and its answer. */
  readonly correlationId: string
  /** NHCX workflow id of the last submission. */
  readonly workflowCode: string | null
  readonly totalClaimed: string
  readonly totalApproved: string | null
  /** What it holds of the wallet now. */
  readonly walletHold: string
  readonly preAuthRef: string | null
  readonly adjudication: 'approved' | 'partially_approved' | 'queried' | 'rejected' | null
  readonly decisionDueAt: Date | null
  readonly submitBy: Date | null
  readonly stgStatus: string | null
  readonly status: ClaimStatus
  readonly rowVersion: number
}

/** How a submission follows another: a claim its approval (prior), an enhancement, or a resubmission. */
export type ClaimRelation = 'prior' | 'enhancement' | 'resubmission'

export type ClaimStatus =
  | 'draft'
  | 'ready'
  | 'cancelled'
  | 'submitted'
  | 'approved'
  | 'partially_approved'
  | 'queried'
  | 'rejected'
  | 'dispatch_failed'
  | 'cancel_requested'
  | 'lapsed'
  | 'resubmitted'
  | 'reprocess_requested'
  | 'closed'
  | 'superseded'
  | 'utilised'
  | 'paid'
  | 'expired'

export const claimColumns = `
  id, claim_number as "claimNumber", use, case_id as "caseId", related_claim_id as "relatedClaimId", relation,
  correlation_id as "correlationId", workflow_code as "workflowCode", total_claimed as "totalClaimed",
  total_approved as "totalApproved", wallet_hold as "walletHold", pre_auth_ref as "preAuthRef", adjudication,
  decision_due_at as "decisionDueAt", submit_by as "submitBy", stg_status as "stgStatus", status,
  row_version as "rowVersion"`
