import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { type BloodComponent, type BloodUnit, type BloodUnitStatus, unitColumns } from './rows-of-units.ts'

export interface DonationRelease {
  readonly outcome: 'released' | 'discarded'
  /** IM356 when a test is reactive. */
  readonly failureCode: string | null
  readonly units: number
  /** Earlier units of the donor to trace with lookBack. */
  readonly lookBackUnits: number
}

export interface LookBackRow {
  readonly donationId: string
  readonly collectedAt: Date
  readonly componentId: string | null
  readonly component: BloodComponent | null
  readonly componentStatus: BloodUnitStatus | null
  readonly issueId: string | null
  readonly patientId: string | null
}

export interface PrepareUnitInput {
  readonly donationId: string
  readonly component: BloodComponent
  /** ISBT 128 product code. */
  readonly productCode: string
  readonly volumeMl: number
  readonly storageLocationId: string
  /** Member of staff. */
  readonly preparedBy: string
  /** Default 00. */
  readonly division?: string
  /** Default: now. */
  readonly preparedAt?: Date
  /** Default: the end of the shelf life. */
  readonly expiresAt?: Date
}

export const prepareUnitSql = `select ${unitColumns}\nfrom blood_bank.prepare_unit($1, $2, $3, $4, $5, $6, $7, coalesce($8, now()), $9)`

/**
 * Makes a unit of a donation, in quarantine. Number, product code and division are one unit.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), UnitExpiredError (IM351)
 */
export async function prepareUnit(tx: Transaction, input: PrepareUnitInput): Promise<BloodUnit> {
  return single(
    await tx.query<BloodUnit>(prepareUnitSql, [
      input.donationId,
      input.component,
      input.productCode,
      input.volumeMl,
      input.storageLocationId,
      input.preparedBy,
      input.division ?? '00',
      input.preparedAt ?? null,
      input.expiresAt ?? null,
    ]),
  )
}

export const releaseDonationSql = `select outcome, failure_code as "failureCode", units, look_back_units as "lookBackUnits"\nfrom blood_bank.release_donation($1, $2)`

/**
 * Decides on a donation: released with its units, or discarded with all of them when a test is reactive.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), DonationIncompleteError (IM350),
 * DonorNotEligibleError (IM359)
 */
export async function releaseDonation(
  tx: Transaction,
  donationId: string,
  releasedBy: string,
): Promise<DonationRelease> {
  return single(await tx.query<DonationRelease>(releaseDonationSql, [donationId, releasedBy]))
}

export const lookBackSql = `select donation_id as "donationId", collected_at as "collectedAt", component_id as "componentId", component, component_status as "componentStatus", issue_id as "issueId", patient_id as "patientId"\nfrom blood_bank.look_back($1)`

/**
 * Earlier donations of the donor, their units, and who received them.
 */
export async function lookBack(tx: Transaction, donationId: string): Promise<LookBackRow[]> {
  return tx.query<LookBackRow>(lookBackSql, [donationId])
}

export const discardUnitSql = `select ${unitColumns}\nfrom blood_bank.discard_unit($1, $2, $3)`

/**
 * A unit is destroyed; one that was issued and not begun comes off its request.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function discardUnit(
  tx: Transaction,
  componentId: string,
  reasonCode: string,
  discardedBy: string,
): Promise<BloodUnit> {
  return single(await tx.query<BloodUnit>(discardUnitSql, [componentId, reasonCode, discardedBy]))
}

export const expireUnitsSql = `select blood_bank.expire_units($1) as value`

/**
 * Job: marks units whose shelf life is over and returns how many.
 */
export async function expireUnits(tx: Transaction, limit: number = 1000): Promise<number> {
  return single(await tx.query<{ value: number }>(expireUnitsSql, [limit])).value
}

export const freeLapsedUnitsSql = `select blood_bank.free_lapsed_units($1) as value`

/**
 * Job: frees units whose reservation lapsed and returns how many.
 */
export async function freeLapsedUnits(tx: Transaction, limit: number = 1000): Promise<number> {
  return single(await tx.query<{ value: number }>(freeLapsedUnitsSql, [limit])).value
}
