import {
  decideDispute,
  decideDisputeSql,
  openDispute,
  openDisputeSql,
  submitEvidence,
  submitEvidenceSql,
} from './disputes.ts'
import {
  beginAttempt,
  beginAttemptSql,
  cancelIntent,
  cancelIntentSql,
  createIntent,
  createIntentSql,
  expireIntents,
  expireIntentsSql,
  recordProviderResult,
  recordProviderResultSql,
} from './intents.ts'
import {
  allocatePayment,
  allocatePaymentSql,
  receivePayment,
  receivePaymentSql,
  reverseAllocation,
  reverseAllocationSql,
  settleCheque,
  settleChequeSql,
  voidPayment,
  voidPaymentSql,
} from './payments.ts'
import {
  approveRefund,
  approveRefundSql,
  recordRefundResult,
  recordRefundResultSql,
  rejectRefund,
  rejectRefundSql,
  requestRefund,
  requestRefundSql,
} from './refunds.ts'
import { importSettlement, importSettlementSql, reconcileSettlement, reconcileSettlementSql } from './settlements.ts'

/** The operations of schema/payment that an application may call. */
export const paymentOperations = {
  'payment.receive': { sql: receivePaymentSql, call: receivePayment },
  'payment.settle_cheque': { sql: settleChequeSql, call: settleCheque },
  'payment.void': { sql: voidPaymentSql, call: voidPayment },
  'payment.allocate': { sql: allocatePaymentSql, call: allocatePayment },
  'payment.reverse_allocation': { sql: reverseAllocationSql, call: reverseAllocation },
  'payment.create_intent': { sql: createIntentSql, call: createIntent },
  'payment.begin_attempt': { sql: beginAttemptSql, call: beginAttempt },
  'payment.cancel_intent': { sql: cancelIntentSql, call: cancelIntent },
  'payment.expire_intents': { sql: expireIntentsSql, call: expireIntents },
  'payment.record_provider_result': { sql: recordProviderResultSql, call: recordProviderResult },
  'payment.request_refund': { sql: requestRefundSql, call: requestRefund },
  'payment.approve_refund': { sql: approveRefundSql, call: approveRefund },
  'payment.reject_refund': { sql: rejectRefundSql, call: rejectRefund },
  'payment.record_refund_result': { sql: recordRefundResultSql, call: recordRefundResult },
  'payment.import_settlement': { sql: importSettlementSql, call: importSettlement },
  'payment.reconcile_settlement': { sql: reconcileSettlementSql, call: reconcileSettlement },
  'payment.open_dispute': { sql: openDisputeSql, call: openDispute },
  'payment.submit_evidence': { sql: submitEvidenceSql, call: submitEvidence },
  'payment.decide_dispute': { sql: decideDisputeSql, call: decideDispute },
} as const
