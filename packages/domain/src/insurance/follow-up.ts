import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { claimColumns, type InsuranceClaim } from './claim.ts'

export interface AnswerQueryInput {
  readonly queryId: string
  /** The answer, encrypted. */
  readonly answerEnc: Uint8Array
  /** Papers that go with it (claim_documents). */
  readonly documentIds?: readonly string[]
}

export const answerQuerySql = `select ${claimColumns}\nfrom insurance.answer_query($1, $2, $3::uuid[])`

/**
 * Answers a payer's query: the submission goes out again with a new correlation id.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), SubmissionKindError (IM606)
 */
export async function answerQuery(tx: Transaction, input: AnswerQueryInput): Promise<InsuranceClaim> {
  const { queryId, answerEnc, documentIds = [] } = input
  return single(await tx.query<InsuranceClaim>(answerQuerySql, [queryId, answerEnc, documentIds]))
}

export const requestCancellationSql = `select ${claimColumns}\nfrom insurance.request_cancellation($1, $2)`

/**
 * Cancels a draft at once, or asks the payer to cancel an approved pre-authorisation.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005),
 * SubmissionKindError (IM606), ClaimExistsError (IM608)
 */
export async function requestCancellation(tx: Transaction, claimId: string, reason: string): Promise<InsuranceClaim> {
  return single(await tx.query<InsuranceClaim>(requestCancellationSql, [claimId, reason]))
}

export const requestReprocessSql = `select ${claimColumns}\nfrom insurance.request_reprocess($1, $2)`

/**
 * Asks the payer to decide a decided claim again.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005), SubmissionKindError (IM606)
 */
export async function requestReprocess(tx: Transaction, claimId: string, reason: string): Promise<InsuranceClaim> {
  return single(await tx.query<InsuranceClaim>(requestReprocessSql, [claimId, reason]))
}

export const lapseQueriesSql = 'select insurance.lapse_queries($1) as lapsed'

/** Ends up to `limit` queries whose time has passed, with their submissions, and returns how many. For a job. */
export async function lapseQueries(tx: Transaction, limit = 1000): Promise<number> {
  return single(await tx.query<{ lapsed: number }>(lapseQueriesSql, [limit])).lapsed
}

export const announceOverdueSql = 'select insurance.announce_overdue($1) as announced'

/**
 * Announces up to `limit` submissions that the payer should have decided by now, once for each of their times, and
 * returns how many. For a job.
 */
export async function announceOverdue(tx: Transaction, limit = 1000): Promise<number> {
  return single(await tx.query<{ announced: number }>(announceOverdueSql, [limit])).announced
}
