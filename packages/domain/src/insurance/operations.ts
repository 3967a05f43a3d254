import {
  approveAuthenticationException,
  approveAuthenticationExceptionSql,
  beginAuthentication,
  beginAuthenticationSql,
  completeAuthentication,
  completeAuthenticationSql,
  failAuthentication,
  failAuthenticationSql,
} from './authentication.ts'
import {
  cancelCase,
  cancelCaseSql,
  closeCase,
  closeCaseSql,
  dischargeCase,
  dischargeCaseSql,
  registerCase,
  registerCaseSql,
  startTreatment,
  startTreatmentSql,
} from './case.ts'
import { endCoverage, endCoverageSql, verifyCoverage, verifyCoverageSql } from './coverage.ts'
import { attachDocument, attachDocumentSql, reviewDocument, reviewDocumentSql } from './documents.ts'
import {
  draftClaim,
  draftClaimSql,
  draftFollowUp,
  draftFollowUpSql,
  markReady,
  markReadySql,
  setClaimItems,
  setClaimItemsSql,
} from './draft-claim.ts'
import { applyEligibilityAnswer, applyEligibilityAnswerSql, askEligibility, askEligibilitySql } from './eligibility.ts'
import {
  announceOverdue,
  announceOverdueSql,
  answerQuery,
  answerQuerySql,
  lapseQueries,
  lapseQueriesSql,
  requestCancellation,
  requestCancellationSql,
  requestReprocess,
  requestReprocessSql,
} from './follow-up.ts'
import {
  markMessageFailed,
  markMessageFailedSql,
  markMessageSent,
  markMessageSentSql,
  queueNhcxMessage,
  queueNhcxMessageSql,
  receiveMessage,
  receiveMessageSql,
} from './messages.ts'
import {
  applyPayerResponse,
  applyPayerResponseSql,
  recordPayerDecision,
  recordPayerDecisionSql,
} from './payer-response.ts'
import {
  disputeClaimPayment,
  disputeClaimPaymentSql,
  recordPaymentNotice,
  recordPaymentNoticeSql,
  settleClaimPayment,
  settleClaimPaymentSql,
} from './settlement.ts'
import { submitClaim, submitClaimSql, submitPreauth, submitPreauthSql } from './submit.ts'

/** The operations of schema/insurance that an application may call. */
export const insuranceOperations = {
  'insurance.verify_coverage': { sql: verifyCoverageSql, call: verifyCoverage },
  'insurance.end_coverage': { sql: endCoverageSql, call: endCoverage },
  'insurance.ask_eligibility': { sql: askEligibilitySql, call: askEligibility },
  'insurance.apply_eligibility_answer': { sql: applyEligibilityAnswerSql, call: applyEligibilityAnswer },
  'insurance.register_case': { sql: registerCaseSql, call: registerCase },
  'insurance.start_treatment': { sql: startTreatmentSql, call: startTreatment },
  'insurance.discharge_case': { sql: dischargeCaseSql, call: dischargeCase },
  'insurance.cancel_case': { sql: cancelCaseSql, call: cancelCase },
  'insurance.close_case': { sql: closeCaseSql, call: closeCase },
  'insurance.begin_authentication': { sql: beginAuthenticationSql, call: beginAuthentication },
  'insurance.complete_authentication': { sql: completeAuthenticationSql, call: completeAuthentication },
  'insurance.fail_authentication': { sql: failAuthenticationSql, call: failAuthentication },
  'insurance.approve_authentication_exception': {
    sql: approveAuthenticationExceptionSql,
    call: approveAuthenticationException,
  },
  'insurance.draft_claim': { sql: draftClaimSql, call: draftClaim },
  'insurance.draft_follow_up': { sql: draftFollowUpSql, call: draftFollowUp },
  'insurance.set_claim_items': { sql: setClaimItemsSql, call: setClaimItems },
  'insurance.mark_ready': { sql: markReadySql, call: markReady },
  'insurance.attach_document': { sql: attachDocumentSql, call: attachDocument },
  'insurance.review_document': { sql: reviewDocumentSql, call: reviewDocument },
  'insurance.submit_preauth': { sql: submitPreauthSql, call: submitPreauth },
  'insurance.submit_claim': { sql: submitClaimSql, call: submitClaim },
  'insurance.answer_query': { sql: answerQuerySql, call: answerQuery },
  'insurance.request_cancellation': { sql: requestCancellationSql, call: requestCancellation },
  'insurance.request_reprocess': { sql: requestReprocessSql, call: requestReprocess },
  'insurance.lapse_queries': { sql: lapseQueriesSql, call: lapseQueries },
  'insurance.announce_overdue': { sql: announceOverdueSql, call: announceOverdue },
  'insurance.receive_message': { sql: receiveMessageSql, call: receiveMessage },
  'insurance.queue_message': { sql: queueNhcxMessageSql, call: queueNhcxMessage },
  'insurance.mark_message_sent': { sql: markMessageSentSql, call: markMessageSent },
  'insurance.mark_message_failed': { sql: markMessageFailedSql, call: markMessageFailed },
  'insurance.apply_payer_response': { sql: applyPayerResponseSql, call: applyPayerResponse },
  'insurance.record_payer_decision': { sql: recordPayerDecisionSql, call: recordPayerDecision },
  'insurance.record_payment_notice': { sql: recordPaymentNoticeSql, call: recordPaymentNotice },
  'insurance.settle_claim_payment': { sql: settleClaimPaymentSql, call: settleClaimPayment },
  'insurance.dispute_claim_payment': { sql: disputeClaimPaymentSql, call: disputeClaimPayment },
} as const
