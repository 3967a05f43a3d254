import type { Transaction } from '@imhotep/postgres'
import { single, toColumns } from '../rows.ts'
import { claimColumns, type ClaimStatus, type InsuranceClaim } from './claim.ts'

/** What a payer decided. Amounts are decimal text or numbers. */
export interface PayerResponse {
  readonly outcome?: 'queued' | 'complete' | 'partial' | 'error'
  readonly adjudication?: 'approved' | 'partially_approved' | 'queried' | 'rejected'
  /** Answer to a request for cancellation. */
  readonly cancelled?: boolean
  readonly preAuthRef?: string
  readonly payerClaimRef?: string
  readonly totalApproved?: string | number
  readonly autoApproved?: boolean
  readonly deductionReasons?: readonly object[]
  readonly rejectReason?: readonly object[]
  /** Without lines, the decision is that of every line. */
  readonly items?: readonly PayerItemDecision[]
  readonly query?: PayerQuestion
  /** Default PAYER. */
  readonly actorRole?: 'PPD' | 'CPD' | 'CEX' | 'ACO' | 'SHA' | 'PAYER'
  readonly actorName?: string
  readonly remarks?: string
  readonly errorCode?: string
}

export interface PayerItemDecision {
  readonly seq: number
  readonly decision: 'approved' | 'partial' | 'rejected' | 'pending'
  readonly approvedQuantity?: number
  readonly approvedAmount?: string | number
  readonly reason?: string
}

export interface PayerQuestion {
  /** The question, encrypted. */
  readonly textEnc: Uint8Array
  readonly raisedByRole?: 'PPD' | 'CPD' | 'CEX' | 'ACO' | 'SHA' | 'PAYER'
  readonly requestedDocuments?: readonly string[]
}

export interface AppliedResponse {
  readonly messageId: string
  /** failed: kept, and may be applied again. */
  readonly messageStatus: 'completed' | 'failed'
  /** IM604 unknown correlation id, IM001 the submission takes no such answer, IM611 the answer does not fit. */
  readonly failureCode: string | null
  readonly claimId: string | null
  readonly claimStatus: ClaimStatus | null
}

export const applyPayerResponseSql = `
select
  message_id as "messageId", message_status as "messageStatus", failure_code as "failureCode", claim_id as "claimId",
  claim_status as "claimStatus"
from insurance.apply_payer_response($1, $2::jsonb)`

/**
 * Applies a stored answer of the exchange to the submission with its correlation id, once; what cannot be applied is kept
 * as failed with its code, and calling again replays it.
 * @throws NotFoundError (IM005) no such incoming message
 */
export async function applyPayerResponse(
  tx: Transaction,
  messageId: string,
  response: PayerResponse,
): Promise<AppliedResponse> {
  return single(await tx.query<AppliedResponse>(applyPayerResponseSql, [messageId, toResponseColumns(response)]))
}

export const recordPayerDecisionSql = `select ${claimColumns}\nfrom insurance.record_payer_decision($1, $2::jsonb)`

/**
 * Enters what a payer decided outside the exchange.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006), PayerAnswerError (IM611)
 */
export async function recordPayerDecision(
  tx: Transaction,
  claimId: string,
  response: PayerResponse,
): Promise<InsuranceClaim> {
  return single(await tx.query<InsuranceClaim>(recordPayerDecisionSql, [claimId, toResponseColumns(response)]))
}

function toResponseColumns(response: PayerResponse): Record<string, unknown> {
  const { items, query, ...rest } = response
  return {
    ...toColumns(rest),
    ...(items === undefined ? {} : { items: items.map((item) => toColumns(item)) }),
    ...(query === undefined ? {} : { query: toColumns(query) }),
  }
}
