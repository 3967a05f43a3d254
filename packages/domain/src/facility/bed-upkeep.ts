import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { bedColumns, type Bed } from './bed.ts'

export const finishCleaningSql = `select ${bedColumns}\nfrom facility.finish_cleaning($1)`

/**
 * A bed is clean and vacant.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function finishCleaning(tx: Transaction, bedId: string): Promise<Bed> {
  return single(await tx.query<Bed>(finishCleaningSql, [bedId]))
}

export const closeBedSql = `select ${bedColumns}\nfrom facility.close_bed($1, $2, $3)`

/**
 * Takes a bed that nobody is in out of service.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function closeBed(
  tx: Transaction,
  bedId: string,
  status: 'blocked' | 'maintenance',
  reason: string,
): Promise<Bed> {
  return single(await tx.query<Bed>(closeBedSql, [bedId, status, reason]))
}

export const reopenBedSql = `select ${bedColumns}\nfrom facility.reopen_bed($1)`

/**
 * A blocked or repaired bed is vacant again.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function reopenBed(tx: Transaction, bedId: string): Promise<Bed> {
  return single(await tx.query<Bed>(reopenBedSql, [bedId]))
}
