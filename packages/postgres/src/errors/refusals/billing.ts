import { refuse } from '../define.ts'

// Billing: IM55x.
export const AlreadyIssuedError = refuse(
  'IM550',
  'AlreadyIssuedError',
  'IMH_ALREADY_ISSUED',
  'the invoice is issued and cannot be changed',
  'write a credit note',
)
export const TotalsMismatchError = refuse(
  'IM553',
  'TotalsMismatchError',
  'IMH_TOTALS_MISMATCH',
  'lines and totals do not agree',
  'compute the totals again from the lines',
)
export const OverAllocatedError = refuse(
  'IM554',
  'OverAllocatedError',
  'IMH_OVER_ALLOCATED',
  'the invoice has less left to pay',
  'allocate at most what is open',
)
export const SourceExhaustedError = refuse(
  'IM555',
  'SourceExhaustedError',
  'IMH_SOURCE_EXHAUSTED',
  'the payment has less left to allocate',
  'allocate at most what is left, or use another payment',
)
export const CurrencyMismatchError = refuse(
  'IM556',
  'CurrencyMismatchError',
  'IMH_CURRENCY_MISMATCH',
  'payment and invoice have different currencies',
  'use a payment in the currency of the invoice',
)
export const AlreadyBilledError = refuse(
  'IM557',
  'AlreadyBilledError',
  'IMH_ALREADY_BILLED',
  'the charge is on another bill',
  'leave it out',
)
export const AccountClosedError = refuse(
  'IM558',
  'AccountClosedError',
  'IMH_ACCOUNT_CLOSED',
  'the account is closed',
  'reopen it, or use another account',
)
export const NothingToBillError = refuse(
  'IM559',
  'NothingToBillError',
  'IMH_NOTHING_TO_BILL',
  'there is nothing to bill',
  'choose charges that are billable',
)
export const AccountNotSettledError = refuse(
  'IM560',
  'AccountNotSettledError',
  'IMH_ACCOUNT_NOT_SETTLED',
  'something on the account is open',
  'bill or cancel its charges; collect, refund or write off what is open',
)
