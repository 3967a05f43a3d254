import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

export interface GenerateSlotsInput {
  /** First calendar date at the clinic, YYYY-MM-DD. */
  readonly from: string
  /** Last calendar date, included. */
  readonly to: string
  /** One doctor's schedules only. */
  readonly doctorId?: string
  /** One schedule only. */
  readonly scheduleId?: string
}

export const generateSlotsSql = 'select scheduling.generate_slots($1, $2, $3, $4) as made'

/**
 * Makes the slots of regular and extra schedules, leaving out closed time; returns how many are new.
 * @throws NotFoundError (IM005) when there is no such schedule
 */
export async function generateSlots(tx: Transaction, input: GenerateSlotsInput): Promise<number> {
  const { from, to, doctorId = null, scheduleId = null } = input
  return single(await tx.query<{ made: number }>(generateSlotsSql, [from, to, doctorId, scheduleId])).made
}

export const closePastSlotsSql = 'select scheduling.close_past_slots($1) as closed'

/** Marks up to `limit` slots that are over as past (default 1000) and returns how many. For a job. */
export async function closePastSlots(tx: Transaction, limit = 1000): Promise<number> {
  return single(await tx.query<{ closed: number }>(closePastSlotsSql, [limit])).closed
}
