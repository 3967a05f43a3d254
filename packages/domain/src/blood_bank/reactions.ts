import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import {
  type Imputability,
  reactionColumns,
  type ReactionKind,
  type ReactionSeverity,
  type TransfusionReaction,
} from './rows-of-units.ts'

export interface ReportReactionInput {
  readonly issueId: string
  readonly kind: ReactionKind
  readonly severity: ReactionSeverity
  readonly onsetAt: Date
  readonly reportedBy: string
  readonly signs?: Readonly<Record<string, unknown>>
  readonly actions?: Readonly<Record<string, unknown>>
}

export const reportReactionSql = `select ${reactionColumns}\nfrom blood_bank.report_reaction($1, $2, $3, $4, $5, $6::jsonb, $7::jsonb)`

/**
 * Reports a reaction; a transfusion that is running is stopped. Issue, kind and onset are one reaction.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function reportReaction(tx: Transaction, input: ReportReactionInput): Promise<TransfusionReaction> {
  return single(
    await tx.query<TransfusionReaction>(reportReactionSql, [
      input.issueId,
      input.kind,
      input.severity,
      input.onsetAt,
      input.reportedBy,
      JSON.stringify(input.signs ?? {}),
      JSON.stringify(input.actions ?? {}),
    ]),
  )
}

export const investigateReactionSql = `select ${reactionColumns}\nfrom blood_bank.investigate_reaction($1, $2::jsonb)`

/**
 * Adds findings to the work-up.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function investigateReaction(
  tx: Transaction,
  reactionId: string,
  workup: Readonly<Record<string, unknown>>,
): Promise<TransfusionReaction> {
  return single(await tx.query<TransfusionReaction>(investigateReactionSql, [reactionId, JSON.stringify(workup)]))
}

export const concludeReactionSql = `select ${reactionColumns}\nfrom blood_bank.conclude_reaction($1, $2)`

/**
 * Says whether it was the transfusion.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function concludeReaction(
  tx: Transaction,
  reactionId: string,
  imputability: Imputability,
): Promise<TransfusionReaction> {
  return single(await tx.query<TransfusionReaction>(concludeReactionSql, [reactionId, imputability]))
}

export const closeReactionSql = `select ${reactionColumns}\nfrom blood_bank.close_reaction($1, $2, coalesce($3, now()))`

/**
 * Closes a concluded reaction, with the reference of its report where there is one.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function closeReaction(
  tx: Transaction,
  reactionId: string,
  hvpiRef?: string,
  hvpiReportedAt?: Date,
): Promise<TransfusionReaction> {
  return single(
    await tx.query<TransfusionReaction>(closeReactionSql, [reactionId, hvpiRef ?? null, hvpiReportedAt ?? null]),
  )
}
