import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

/** A chargeback. */
export interface Dispute {
  readonly id: string
  readonly paymentId: string
  readonly providerRef: string
  /** Exact decimal text. */
  readonly amount: string
  readonly respondBy: Date
  readonly outcome: string | null
  readonly status: 'opened' | 'evidence_submitted' | 'accepted' | 'won' | 'lost'
}

const disputeColumns = `
  id, payment_id as "paymentId", provider_ref as "providerRef", amount, respond_by as "respondBy", outcome, status`

export interface OpenDisputeInput {
  readonly paymentId: string
  readonly providerRef: string
  readonly reasonCode: string
  readonly amount: string
  readonly respondBy: Date
}

export const openDisputeSql = `select ${disputeColumns}\nfrom payment.open_dispute($1, $2, $3, $4, $5)`

/**
 * A payer disputes a payment at the provider. Same reference, same dispute.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), ProviderRefConflictError (IM581), RefundTooMuchError (IM582)
 */
export async function openDispute(tx: Transaction, input: OpenDisputeInput): Promise<Dispute> {
  const { paymentId, providerRef, reasonCode, amount, respondBy } = input
  return single(await tx.query<Dispute>(openDisputeSql, [paymentId, providerRef, reasonCode, amount, respondBy]))
}

export const submitEvidenceSql = `select ${disputeColumns}\nfrom payment.submit_evidence($1, $2)`

/**
 * The evidence was sent to the provider.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function submitEvidence(tx: Transaction, disputeId: string, documentId: string): Promise<Dispute> {
  return single(await tx.query<Dispute>(submitEvidenceSql, [disputeId, documentId]))
}

export const decideDisputeSql = `select ${disputeColumns}\nfrom payment.decide_dispute($1, $2, $3)`

/**
 * The dispute is won, lost or accepted; when it is not won the bills that the money paid are open again.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), AccountClosedError (IM558)
 */
export async function decideDispute(
  tx: Transaction,
  disputeId: string,
  decision: 'won' | 'lost' | 'accepted',
  outcome: string,
): Promise<Dispute> {
  return single(await tx.query<Dispute>(decideDisputeSql, [disputeId, decision, outcome]))
}
