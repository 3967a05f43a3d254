// Wrappers of the operations of schema/compliance.
export {
  addAffectedPerson,
  closeBreach,
  containBreach,
  openBreach,
  recordBreachReport,
  recordPersonNotice,
  type AddAffectedPersonInput,
  type AffectedPerson,
  type Breach,
  type BreachStep,
  type OpenBreachInput,
} from './breaches.ts'
export {
  activeConsent,
  expireGivenConsents,
  giveConsent,
  withdrawConsent,
  type Consent,
  type ConsentGiver,
  type ConsentKind,
  type GiveConsentInput,
} from './consents.ts'
export {
  activateProcessor,
  addProcessor,
  expireProcessors,
  reviewProcessor,
  terminateProcessor,
  type ActivateProcessorInput,
  type AddProcessorInput,
  type DataProcessor,
} from './data-processors.ts'
export { disclosureAccounting, exportPerson, type AccountedDisclosure, type PersonExport } from './disclosures.ts'
export {
  closeIncident,
  finishIncidentAction,
  planIncidentAction,
  rejectIncident,
  reopenIncident,
  reportIncident,
  reviewIncident,
  type Incident,
  type IncidentKind,
  type IncidentSeverity,
  type PlanIncidentActionInput,
  type ReportIncidentInput,
  type RootCause,
} from './incidents.ts'
export {
  isUnderHold,
  placeLegalHold,
  releaseLegalHold,
  type HoldQuestion,
  type HoldScope,
  type LegalHold,
  type PlaceLegalHoldInput,
} from './legal-holds.ts'
export { publishNotice, type ConsentNotice, type PublishNoticeInput } from './notices.ts'
export { recordCheck, type CheckOutcome, type ComplianceCheck, type RecordCheckInput } from './record-check.ts'
export {
  beginRequestCheck,
  completeDataRequest,
  confirmRequester,
  escalateDataRequest,
  holdDataRequest,
  openDataRequest,
  rejectDataRequest,
  type CompleteDataRequestInput,
  type DataRequest,
  type DataRequestKind,
  type OpenDataRequestInput,
} from './requests.ts'
export {
  keptUntil,
  pastRetention,
  runErasure,
  setRetention,
  type Erasure,
  type PastRetention,
  type RetentionAction,
  type RetentionPolicy,
  type RetentionStart,
  type RunErasureInput,
  type SetRetentionInput,
} from './retention.ts'
