import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { bedAllocationColumns, type BedAllocation } from './bed.ts'

export interface AllocateBedInput {
  readonly bedId: string
  readonly encounterId: string
  readonly patientId: string
  /** Why this bed. */
  readonly reason?: string
}

export const allocateBedSql = `select ${bedAllocationColumns}\nfrom facility.allocate_bed($1, $2, $3, $4)`

/**
 * Puts the patient of an encounter into a bed that is vacant, or reserved for that encounter. Asked again: the same
 * allocation.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), BedTakenError (IM200), PatientInBedError (IM201),
 * BedPolicyError (IM202), BedBlockedError (IM204)
 */
export async function allocateBed(tx: Transaction, input: AllocateBedInput): Promise<BedAllocation> {
  const { bedId, encounterId, patientId, reason = null } = input
  return single(await tx.query<BedAllocation>(allocateBedSql, [bedId, encounterId, patientId, reason]))
}

export interface TransferBedInput {
  readonly allocationId: string
  readonly newBedId: string
  readonly reason?: string
}

export const transferBedSql = `select ${bedAllocationColumns}\nfrom facility.transfer_bed($1, $2, $3)`

/**
 * Moves a patient to another bed at one instant; the old bed goes to cleaning. Asked again: the same allocation.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), BedTakenError (IM200), BedPolicyError (IM202),
 * BedBlockedError (IM204)
 */
export async function transferBed(tx: Transaction, input: TransferBedInput): Promise<BedAllocation> {
  const { allocationId, newBedId, reason = null } = input
  return single(await tx.query<BedAllocation>(transferBedSql, [allocationId, newBedId, reason]))
}
