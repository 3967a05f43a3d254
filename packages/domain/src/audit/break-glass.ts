import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

export interface BreakGlassInput {
  readonly patientId: string
  readonly reasonCode: string
  /** At least 10 characters. */
  readonly reason: string
  /** Default 60. */
  readonly minutes?: number
}

export const openBreakGlassSql = 'select audit.open_break_glass($1, $2, $3, make_interval(mins => $4)) as id'

/**
 * Opens emergency access of the signed-in user to one patient's record and returns its id.
 * @throws NotPermittedError (IM006), BreakGlassReasonError (IM920), BreakGlassOpenError (IM921)
 */
export async function openBreakGlass(tx: Transaction, input: BreakGlassInput): Promise<string> {
  const { patientId, reasonCode, reason, minutes = 60 } = input
  return single(await tx.query<{ id: string }>(openBreakGlassSql, [patientId, reasonCode, reason, minutes])).id
}

export const closeBreakGlassSql = 'select audit.close_break_glass($1)'

/**
 * Gives emergency access back.
 * @throws NotFoundError (IM005) when none of this user is open under that id
 */
export async function closeBreakGlass(tx: Transaction, id: string): Promise<void> {
  await tx.query(closeBreakGlassSql, [id])
}

export type ReviewOutcome = 'justified' | 'unjustified' | 'escalated'

export const reviewBreakGlassSql = 'select audit.review_break_glass($1, $2)'

/**
 * Records what the review of a closed or expired emergency access found.
 * @throws IllegalTransitionError (IM001) while it is open, NotFoundError (IM005), NotPermittedError (IM006) for one's own
 */
export async function reviewBreakGlass(tx: Transaction, id: string, outcome: ReviewOutcome): Promise<void> {
  await tx.query(reviewBreakGlassSql, [id, outcome])
}
