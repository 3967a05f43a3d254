import type { Transaction } from '@imhotep/postgres'
import { single, toColumns } from '../rows.ts'

/** A provider's payout. Money is exact decimal text. */
export interface Settlement {
  readonly id: string
  readonly settlementRef: string
  readonly gross: string
  readonly fees: string
  readonly tax: string
  readonly net: string
  readonly variance: string
  readonly status: 'imported' | 'matching' | 'reconciled' | 'exception'
}

const settlementColumns = `
  id, settlement_ref as "settlementRef", gross, fees, tax, net, variance, status`

export interface ImportSettlementInput {
  readonly providerId: string
  readonly settlementRef: string
  /** Calendar date, YYYY-MM-DD. */
  readonly settledOn: string
  /** Refunds below zero. */
  readonly lines: readonly {
    readonly providerRef: string
    readonly gross: string
    readonly fee?: string
    readonly tax?: string
  }[]
  readonly utr?: string
  /** The time that the payout claims to cover; payments of ours in it that no payout has are noted. */
  readonly covers?: { readonly from: Date; readonly to: Date }
}

export const importSettlementSql = `
select ${settlementColumns}
from payment.import_settlement(
  $1, $2, $3, $4, $5, case when $6::timestamptz is not null then tstzrange($6, $7::timestamptz) end
)`

/**
 * Takes a payout in. The same reference again is the same settlement.
 * @throws ProviderRefConflictError (IM581)
 */
export async function importSettlement(tx: Transaction, input: ImportSettlementInput): Promise<Settlement> {
  const rows = await tx.query<Settlement>(importSettlementSql, [
    input.providerId,
    input.settlementRef,
    input.settledOn,
    input.lines.map(toColumns),
    input.utr ?? null,
    input.covers?.from ?? null,
    input.covers?.to ?? null,
  ])
  return single(rows)
}

export const reconcileSettlementSql = `select ${settlementColumns}\nfrom payment.reconcile_settlement($1)`

/**
 * Compares a payout with our payments and refunds as they are now: reconciled, or an exception with its variance.
 * @throws NotFoundError (IM005)
 */
export async function reconcileSettlement(tx: Transaction, settlementId: string): Promise<Settlement> {
  return single(await tx.query<Settlement>(reconcileSettlementSql, [settlementId]))
}
