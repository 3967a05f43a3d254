// Wrappers of the operations of schema/billing.
export { type Account, type PayerClass } from './account.ts'
export {
  changePayer,
  closeAccount,
  openAccount,
  setAccountStatus,
  setCreditLimit,
  type ChangePayerInput,
  type OpenAccountInput,
} from './accounts.ts'
export {
  addCharge,
  cancelCharge,
  chargeEncounter,
  findPrice,
  grantConcession,
  takeOutOfPackage,
  type AddChargeInput,
  type ChargeEncounterInput,
  type ChargeItem,
  type FindPriceInput,
  type GrantConcessionInput,
  type Price,
} from './charges.ts'
export {
  allocateCredit,
  discardProforma,
  issueCreditNote,
  issueInvoice,
  reverseCredit,
  writeOff,
  type AllocateCreditInput,
  type Allocation,
  type CreditNoteInput,
  type Invoice,
  type InvoiceKind,
  type InvoiceStatus,
  type IssueInvoiceInput,
} from './invoices.ts'
