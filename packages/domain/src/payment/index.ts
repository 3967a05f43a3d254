// Wrappers of the operations of schema/payment.
export { decideDispute, openDispute, submitEvidence, type Dispute, type OpenDisputeInput } from './disputes.ts'
export {
  beginAttempt,
  cancelIntent,
  createIntent,
  expireIntents,
  recordProviderResult,
  type BeginAttemptInput,
  type CreateIntentInput,
  type PaymentIntent,
  type PaymentIntentStatus,
  type ProviderResult,
  type ProviderResultInput,
} from './intents.ts'
export {
  allocatePayment,
  receivePayment,
  reverseAllocation,
  settleCheque,
  voidPayment,
  type AllocatePaymentInput,
  type Payment,
  type PaymentItem,
  type PaymentMode,
  type PaymentStatus,
  type ReceivePaymentInput,
} from './payments.ts'
export {
  approveRefund,
  recordRefundResult,
  rejectRefund,
  requestRefund,
  type Refund,
  type RefundResultInput,
  type RequestRefundInput,
} from './refunds.ts'
export { importSettlement, reconcileSettlement, type ImportSettlementInput, type Settlement } from './settlements.ts'
