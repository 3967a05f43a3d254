// Wrappers of the operations of schema/abdm.
export { type AbhaAccount, type AbhaRegistration } from './abha.ts'
export {
  addCareContext,
  markContextsNotified,
  unlinkCareContext,
  type AddCareContextInput,
  type CareContext,
  type UnlinkContextInput,
} from './care-context.ts'
export {
  expireConsents,
  ingestConsent,
  recordConsentRequest,
  requestConsent,
  type ConsentArtefact,
  type ConsentMessage,
  type ConsentPermission,
  type ConsentPurpose,
  type ConsentRequest,
  type IngestedConsent,
  type RequestConsentInput,
} from './consent.ts'
export {
  authoriseTransfer,
  eraseDue,
  finishTransfer,
  markSessionNotified,
  openSession,
  recordTransfer,
  rejectSession,
  type DataSession,
  type OpenSessionInput,
  type HealthInfoTransfer,
  type HealthInfoTransferInput,
} from './data-flow.ts'
export {
  claimGatewayMessages,
  completeGatewayMessage,
  queueGatewayCall,
  receiveCallback,
  replayGatewayMessage,
  retryGatewayMessage,
  type ClaimGatewayMessagesInput,
  type GatewayMessage,
  type GatewayMessageInput,
} from './gateway.ts'
export { linkAbha, recordAbhaStatus, unlinkAbha, type AbhaStatusInput, type LinkAbhaInput } from './link-abha.ts'
export {
  confirmLink,
  discoverPatient,
  expireLinking,
  initLink,
  linkCareContexts,
  recordLinkResult,
  requestLinkToken,
  storeLinkToken,
  type PatientDiscovery,
  type InitLinkInput,
  type LinkContextsInput,
  type LinkingTransaction,
} from './linking.ts'
export {
  expireRegistrations,
  failRegistration,
  normaliseAbhaNumber,
  recordAbhaAddress,
  recordEnrolment,
  recordOtpResult,
  recordOtpSent,
  startRegistration,
  type OtpResultInput,
  type StartRegistrationInput,
  type VerifiedAccount,
} from './register-abha.ts'
