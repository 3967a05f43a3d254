import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { bedAllocationColumns, type BedAllocation } from './bed.ts'

export interface ReserveBedInput {
  readonly bedId: string
  readonly encounterId: string
  readonly patientId: string
  /** Default: the minutes of setting facility.bed_reservation_minutes from now. */
  readonly until?: Date
  readonly reason?: string
}

export const reserveBedSql = `select ${bedAllocationColumns}\nfrom facility.reserve_bed($1, $2, $3, $4, $5)`

/**
 * Keeps a vacant bed for an encounter. Asked again: the same reservation.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), BedTakenError (IM200), BedPolicyError (IM202),
 * BedBlockedError (IM204)
 */
export async function reserveBed(tx: Transaction, input: ReserveBedInput): Promise<BedAllocation> {
  const { bedId, encounterId, patientId, until = null, reason = null } = input
  return single(await tx.query<BedAllocation>(reserveBedSql, [bedId, encounterId, patientId, until, reason]))
}

export const releaseBedReservationSql = `select ${bedAllocationColumns}\nfrom facility.release_reservation($1)`

/**
 * Gives a reserved bed back; a reservation that ended already stays as it is.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function releaseBedReservation(tx: Transaction, allocationId: string): Promise<BedAllocation> {
  return single(await tx.query<BedAllocation>(releaseBedReservationSql, [allocationId]))
}

export const expireBedReservationsSql = 'select facility.expire_reservations($1) as expired'

/**
 * Job: ends reservations whose time is over and returns how many.
 */
export async function expireBedReservations(tx: Transaction, limit: number = 1000): Promise<number> {
  return single(await tx.query<{ expired: number }>(expireBedReservationsSql, [limit])).expired
}
