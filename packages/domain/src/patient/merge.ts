import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

export interface MergeProposal {
  readonly survivorId: string
  readonly duplicateId: string
  readonly reason: string
  /** 0 to 1. Default 0. */
  readonly matchScore?: number
  readonly matchReasons?: readonly string[]
}

export const proposeMergeSql = 'select patient.propose_merge($1, $2, $3, $4, $5::text[]) as id'

/**
 * Proposes to merge the duplicate into the survivor; another user approves. Returns the proposal, the open one if there is.
 * @throws NotFoundError (IM005), NotPermittedError (IM006), UniqueViolationError when proposed the other way round
 */
export async function proposeMerge(tx: Transaction, proposal: MergeProposal): Promise<string> {
  const { survivorId, duplicateId, reason, matchScore = 0, matchReasons = [] } = proposal
  const rows = await tx.query<{ id: string }>(proposeMergeSql, [
    survivorId,
    duplicateId,
    reason,
    matchScore,
    matchReasons,
  ])
  return single(rows).id
}

export const dismissMergeSql = 'select patient.dismiss_merge($1, $2)'

/**
 * Closes a proposal: the two are different people.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function dismissMerge(tx: Transaction, mergeId: string, reason: string): Promise<void> {
  await tx.query(dismissMergeSql, [mergeId, reason])
}

export const mergePatientsSql = 'select patient.merge($1, $2) as id'

/**
 * Approves the open proposal as the signed-in user and merges; returns the merge. Merging a merged pair changes nothing.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006), AbhaConflictError (IM213)
 */
export async function mergePatients(tx: Transaction, survivorId: string, duplicateId: string): Promise<string> {
  return single(await tx.query<{ id: string }>(mergePatientsSql, [survivorId, duplicateId])).id
}

export const unmergePatientsSql = 'select patient.unmerge($1, $2) as id'

/**
 * Takes a merge back and returns the duplicate, which is active again; a reversed merge again changes nothing.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005), NotPermittedError (IM006)
 */
export async function unmergePatients(tx: Transaction, mergeId: string, reason: string): Promise<string> {
  return single(await tx.query<{ id: string }>(unmergePatientsSql, [mergeId, reason])).id
}
