// Wrappers of the operations of schema/insurance.
export {
  approveAuthenticationException,
  beginAuthentication,
  completeAuthentication,
  failAuthentication,
  type AuthenticationStage,
  type BeginAuthenticationInput,
  type BeneficiaryAuthentication,
  type CompleteAuthenticationInput,
} from './authentication.ts'
export {
  cancelCase,
  closeCase,
  dischargeCase,
  registerCase,
  startTreatment,
  type PmjayCase,
  type RegisterCaseInput,
} from './case.ts'
export { type ClaimRelation, type ClaimStatus, type InsuranceClaim } from './claim.ts'
export { endCoverage, verifyCoverage, type Coverage, type EndCoverageInput } from './coverage.ts'
export {
  attachDocument,
  reviewDocument,
  type AttachDocumentInput,
  type ClaimDocument,
  type ReviewDocumentInput,
} from './documents.ts'
export {
  draftClaim,
  draftFollowUp,
  markReady,
  setClaimItems,
  type ClaimItem,
  type DraftClaimInput,
} from './draft-claim.ts'
export {
  applyEligibilityAnswer,
  askEligibility,
  type AskEligibilityInput,
  type EligibilityAnswer,
  type EligibilityCheck,
} from './eligibility.ts'
export {
  announceOverdue,
  answerQuery,
  lapseQueries,
  requestCancellation,
  requestReprocess,
  type AnswerQueryInput,
} from './follow-up.ts'
export {
  markMessageFailed,
  markMessageSent,
  queueNhcxMessage,
  receiveMessage,
  type MarkMessageFailedInput,
  type MessageSubject,
  type NhcxEnvelope,
  type NhcxMessage,
} from './messages.ts'
export {
  applyPayerResponse,
  recordPayerDecision,
  type AppliedResponse,
  type PayerItemDecision,
  type PayerQuestion,
  type PayerResponse,
} from './payer-response.ts'
export {
  disputeClaimPayment,
  recordPaymentNotice,
  settleClaimPayment,
  type ClaimPayment,
  type PaymentNotice,
} from './settlement.ts'
export { submitClaim, submitPreauth } from './submit.ts'
