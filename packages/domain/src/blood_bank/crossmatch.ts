import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import {
  type BloodCrossmatch,
  type BloodUnit,
  crossmatchColumns,
  type CrossmatchMethod,
  type CrossmatchResult,
  unitColumns,
} from './rows-of-units.ts'

export const findCompatibleUnitsSql = `select ${unitColumns}\nfrom blood_bank.find_compatible_units($1, $2)`

/**
 * Available units that may be given on a request: the group of the recipient first, then first expired, first out.
 */
export async function findCompatibleUnits(
  tx: Transaction,
  requestId: string,
  limit: number = 20,
): Promise<BloodUnit[]> {
  return tx.query<BloodUnit>(findCompatibleUnitsSql, [requestId, limit])
}

export interface ReserveUnitInput {
  readonly componentId: string
  readonly requestId: string
  readonly reservedBy: string
  /** Why not the unit of the group that expires first. */
  readonly reason?: string
}

export const reserveUnitSql = `select ${unitColumns}\nfrom blood_bank.reserve_unit($1, $2, $3, $4)`

/**
 * Keeps an available unit for a request. Asked again: the same unit.
 * @throws ReasonRequiredError (IM002), NotFoundError (IM005), UnitExpiredError (IM351), UnitIncompatibleError
 * (IM352), UnitAlreadyIssuedError (IM354), GroupUnconfirmedError (IM355), RequestTakesNoMoreError (IM360)
 */
export async function reserveUnit(tx: Transaction, input: ReserveUnitInput): Promise<BloodUnit> {
  return single(
    await tx.query<BloodUnit>(reserveUnitSql, [
      input.componentId,
      input.requestId,
      input.reservedBy,
      input.reason ?? null,
    ]),
  )
}

export const freeUnitSql = `select ${unitColumns}\nfrom blood_bank.free_unit($1, $2, $3)`

/**
 * A unit that was kept for a request is available again.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function freeUnit(
  tx: Transaction,
  componentId: string,
  freedBy: string,
  reasonCode: string = 'not_needed',
): Promise<BloodUnit> {
  return single(await tx.query<BloodUnit>(freeUnitSql, [componentId, freedBy, reasonCode]))
}

export interface RecordCrossmatchInput {
  readonly requestId: string
  readonly componentId: string
  readonly sampleId: string
  readonly method: CrossmatchMethod
  readonly performedBy: string
  /** Left out while the test runs. */
  readonly result?: CrossmatchResult
  readonly verifiedBy?: string
  /** Why not the unit of the group that expires first. */
  readonly reason?: string
}

export const recordCrossmatchSql = `select ${crossmatchColumns}\nfrom blood_bank.record_crossmatch($1, $2, $3, $4, $5, $6, $7, $8)`

/**
 * Begins a crossmatch (without a result) or records its result; reserves the unit when it is available.
 * @throws ReasonRequiredError (IM002), NotFoundError (IM005), IdempotencyKeyReusedError (IM011), UnitExpiredError
 * (IM351), UnitIncompatibleError (IM352), CrossmatchError (IM353), UnitAlreadyIssuedError (IM354),
 * GroupUnconfirmedError (IM355), RequestTakesNoMoreError (IM360)
 */
export async function recordCrossmatch(tx: Transaction, input: RecordCrossmatchInput): Promise<BloodCrossmatch> {
  return single(
    await tx.query<BloodCrossmatch>(recordCrossmatchSql, [
      input.requestId,
      input.componentId,
      input.sampleId,
      input.method,
      input.performedBy,
      input.result ?? null,
      input.verifiedBy ?? null,
      input.reason ?? null,
    ]),
  )
}
