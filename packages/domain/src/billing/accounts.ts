import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { accountColumns, type Account, type PayerClass } from './account.ts'

export interface OpenAccountInput {
  readonly patientId: string
  readonly encounterId?: string
  /** Needed without an encounter. */
  readonly clinicId?: string
  /** Default: that of the encounter, else self. */
  readonly payerClass?: PayerClass
  readonly payerId?: string
  /** Names its payer. */
  readonly coverageId?: string
  /** Makes a repeat without an encounter harmless. */
  readonly key?: string
}

export const openAccountSql = `select ${accountColumns}\nfrom billing.open_account($1, $2, $3, $4, $5, $6, $7)`

/**
 * Opens the account of a stay or visit, or returns the open one that it has.
 * @throws NotFoundError (IM005), RequestInProgressError (IM010), IdempotencyKeyReusedError (IM011)
 */
export async function openAccount(tx: Transaction, input: OpenAccountInput): Promise<Account> {
  const { patientId, encounterId = null, clinicId = null, payerClass = null } = input
  const { payerId = null, coverageId = null, key = null } = input
  const values = [patientId, encounterId, clinicId, payerClass, payerId, coverageId, key]
  return single(await tx.query<Account>(openAccountSql, values))
}

export const setAccountStatusSql = `select ${accountColumns}\nfrom billing.set_account_status($1, $2, $3)`

/**
 * Puts an account on hold, back to active, or into settling; reopens a closed one. On hold and reopening need a reason.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function setAccountStatus(
  tx: Transaction,
  accountId: string,
  status: 'active' | 'on_hold' | 'settling',
  reason: string | null = null,
): Promise<Account> {
  return single(await tx.query<Account>(setAccountStatusSql, [accountId, status, reason]))
}

export const setCreditLimitSql = `select ${accountColumns}\nfrom billing.set_credit_limit($1, $2, $3)`

/**
 * How much the patient may owe and still leave.
 * @throws ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function setCreditLimit(
  tx: Transaction,
  accountId: string,
  creditLimit: string,
  reason: string,
): Promise<Account> {
  return single(await tx.query<Account>(setCreditLimitSql, [accountId, creditLimit, reason]))
}

export interface ChangePayerInput {
  readonly accountId: string
  readonly payerClass: PayerClass
  readonly payerId?: string
  readonly coverageId?: string
}

export const changePayerSql = `select ${accountColumns}\nfrom billing.change_payer($1, $2, $3, $4)`

/**
 * Another payer: the charges that are not billed get the new payer's prices.
 * @throws NotFoundError (IM005), AccountClosedError (IM558)
 */
export async function changePayer(tx: Transaction, input: ChangePayerInput): Promise<Account> {
  const { accountId, payerClass, payerId = null, coverageId = null } = input
  return single(await tx.query<Account>(changePayerSql, [accountId, payerClass, payerId, coverageId]))
}

export const closeAccountSql = `select ${accountColumns}\nfrom billing.close_account($1)`

/**
 * Closes an account on which everything is billed, paid and at zero.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), AccountNotSettledError (IM560)
 */
export async function closeAccount(tx: Transaction, accountId: string): Promise<Account> {
  return single(await tx.query<Account>(closeAccountSql, [accountId]))
}
