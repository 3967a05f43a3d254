import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

/** A charge as the operations return it. Money is exact decimal text. */
export interface ChargeItem {
  readonly id: string
  readonly accountId: string
  readonly chargeId: string
  readonly sourceType: string
  readonly sourceId: string
  readonly quantity: string
  readonly unitPrice: string
  readonly discount: string
  readonly tax: string
  readonly net: string
  readonly packageChargeItemId: string | null
  readonly status: 'planned' | 'billable' | 'billed' | 'not_billable' | 'aborted'
}

const chargeItemColumns = `
  id, account_id as "accountId", charge_id as "chargeId", source_type as "sourceType", source_id as "sourceId", quantity,
  unit_price as "unitPrice", discount, tax, net, package_charge_item_id as "packageChargeItemId", status`

export interface FindPriceInput {
  readonly chargeId: string
  readonly payerId?: string
  readonly careClass?: string
  readonly clinicId?: string
  /** Calendar date, YYYY-MM-DD. */
  readonly on: string
}

export interface Price {
  readonly unitPrice: string
  readonly discountPct: string
}

export const findPriceSql = `
select unit_price as "unitPrice", discount_pct as "discountPct"
from billing.find_price($1, $2, $3, $4, $5)`

/**
 * Price of one unit and discount in percent of a day: the most particular tariff, else the base price.
 * @throws NotFoundError (IM005)
 */
export async function findPrice(tx: Transaction, input: FindPriceInput): Promise<Price> {
  const { chargeId, payerId = null, careClass = null, clinicId = null, on } = input
  return single(await tx.query<Price>(findPriceSql, [chargeId, payerId, careClass, clinicId, on]))
}

export interface AddChargeInput {
  readonly accountId: string
  readonly chargeId: string
  /** Table of the row that caused it, or `manual`. */
  readonly sourceType: string
  readonly sourceId: string
  /** Default 1. */
  readonly quantity?: string | number
  /** Its day decides the price. Default: now. */
  readonly occurredAt?: Date
  /** The price of the batch, tax included; only for drugs and consumables. */
  readonly unitPrice?: string
}

export const addChargeSql = `select ${chargeItemColumns}\nfrom billing.add_charge($1, $2, $3, $4, $5, $6, $7)`

/**
 * Charges what a source row caused, once.
 * @throws NotFoundError (IM005), AlreadyBilledError (IM557), AccountClosedError (IM558)
 */
export async function addCharge(tx: Transaction, input: AddChargeInput): Promise<ChargeItem> {
  const { accountId, chargeId, sourceType, sourceId, quantity = 1, occurredAt = null, unitPrice = null } = input
  const values = [accountId, chargeId, sourceType, sourceId, quantity, occurredAt, unitPrice]
  return single(await tx.query<ChargeItem>(addChargeSql, values))
}

export interface ChargeEncounterInput {
  readonly encounterId: string
  /** Code of the charge master. */
  readonly chargeCode: string
  readonly sourceType: string
  readonly sourceId: string
  /** Default 1. */
  readonly quantity?: string | number
  /** The price of the batch of a drug or consumable, tax included; for anything else, and by default, the tariff. */
  readonly unitPrice?: string
}

export const chargeEncounterSql = 'select billing.charge_encounter($1, $2, $3, $4, $5, $6) as "chargeItemId"'

/** Charges an encounter by code; null when there is no such charge or no open account. Again: the same charge item. */
export async function chargeEncounter(tx: Transaction, input: ChargeEncounterInput): Promise<string | null> {
  const { encounterId, chargeCode, sourceType, sourceId, quantity = 1, unitPrice = null } = input
  const values = [encounterId, chargeCode, sourceType, sourceId, quantity, unitPrice]
  return single(await tx.query<{ chargeItemId: string | null }>(chargeEncounterSql, values)).chargeItemId
}

export const cancelChargeSql = `select ${chargeItemColumns}\nfrom billing.cancel_charge($1, $2)`

/**
 * Cancels a charge that is not billed.
 * @throws ReasonRequiredError (IM002), NotFoundError (IM005), AlreadyBilledError (IM557), AccountClosedError (IM558)
 */
export async function cancelCharge(tx: Transaction, chargeItemId: string, reason: string): Promise<ChargeItem> {
  return single(await tx.query<ChargeItem>(cancelChargeSql, [chargeItemId, reason]))
}

export interface GrantConcessionInput {
  readonly chargeItemId: string
  /** For the whole quantity. */
  readonly discount: string
  readonly reason: string
  /** A member of staff. */
  readonly approvedBy: string
}

export const grantConcessionSql = `select ${chargeItemColumns}\nfrom billing.grant_concession($1, $2, $3, $4)`

/**
 * Sets the discount of a billable charge.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005), AlreadyBilledError (IM557)
 */
export async function grantConcession(tx: Transaction, input: GrantConcessionInput): Promise<ChargeItem> {
  const { chargeItemId, discount, reason, approvedBy } = input
  return single(await tx.query<ChargeItem>(grantConcessionSql, [chargeItemId, discount, reason, approvedBy]))
}

export const takeOutOfPackageSql = `select ${chargeItemColumns}\nfrom billing.take_out_of_package($1, $2)`

/**
 * Makes a charge that a package includes billable by itself.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005), AlreadyBilledError (IM557)
 */
export async function takeOutOfPackage(tx: Transaction, chargeItemId: string, reason: string): Promise<ChargeItem> {
  return single(await tx.query<ChargeItem>(takeOutOfPackageSql, [chargeItemId, reason]))
}
