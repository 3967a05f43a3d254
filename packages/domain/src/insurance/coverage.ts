import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

/** A coverage as the operations return it. Amounts are decimal text. */
export interface Coverage {
  readonly id: string
  readonly patientId: string
  readonly payerId: string
  readonly status: 'draft' | 'active' | 'suspended' | 'expired' | 'cancelled'
  /** What is left before what live submissions hold; null: no limit is known. */
  readonly balance: string | null
  readonly balanceCheckedAt: Date | null
  readonly verifiedAt: Date | null
  readonly rowVersion: number
}

const coverageColumns = `
  id, patient_id as "patientId", payer_id as "payerId", status, balance, balance_checked_at as "balanceCheckedAt",
  verified_at as "verifiedAt", row_version as "rowVersion"`

export const verifyCoverageSql = `select ${coverageColumns}\nfrom insurance.verify_coverage($1, $2)`

/**
 * The membership was verified by these means: the coverage becomes active.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function verifyCoverage(tx: Transaction, coverageId: string, verifiedHow: string): Promise<Coverage> {
  return single(await tx.query<Coverage>(verifyCoverageSql, [coverageId, verifiedHow]))
}

export interface EndCoverageInput {
  readonly coverageId: string
  readonly status: 'suspended' | 'expired' | 'cancelled'
  /** Needed to suspend or cancel. */
  readonly reason?: string
}

export const endCoverageSql = `select ${coverageColumns}\nfrom insurance.end_coverage($1, $2, $3)`

/**
 * Suspends, expires or cancels a coverage; live submissions keep what they hold.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function endCoverage(tx: Transaction, input: EndCoverageInput): Promise<Coverage> {
  const { coverageId, status, reason = null } = input
  return single(await tx.query<Coverage>(endCoverageSql, [coverageId, status, reason]))
}
