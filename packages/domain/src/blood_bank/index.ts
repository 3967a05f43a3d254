// Wrappers of the operations of schema/blood_bank.
export {
  findCompatibleUnits,
  reserveUnit,
  freeUnit,
  recordCrossmatch,
  type ReserveUnitInput,
  type RecordCrossmatchInput,
} from './crossmatch.ts'
export { enterTest, verifyTest, invalidateTest, type EnterTestInput } from './donation-tests.ts'
export {
  screenDonor,
  startCollection,
  finishCollection,
  type ScreenDonorInput,
  type StartCollectionInput,
  type FinishCollectionInput,
} from './donations.ts'
export { registerDonor, deferDonor, type RegisterDonorInput, type DeferDonorInput } from './donors.ts'
export { issueUnit, returnUnit, type IssueUnitInput, type ReturnUnitInput } from './issue.ts'
export {
  recordPatientGroup,
  confirmPatientGroup,
  resolveDiscrepancy,
  type RecordPatientGroupInput,
} from './patient-groups.ts'
export {
  reportReaction,
  investigateReaction,
  concludeReaction,
  closeReaction,
  type ReportReactionInput,
} from './reactions.ts'
export {
  requestBlood,
  orderEmergencyRelease,
  acceptRequest,
  rejectRequest,
  cancelRequest,
  closeRequest,
  type RequestBloodInput,
} from './requests.ts'
export {
  type Donor,
  type DonorDeferral,
  type Donation,
  type DonationTest,
  type DonationKind,
  type DonationTestName,
} from './rows-of-donors.ts'
export {
  type BloodUnit,
  type PatientBloodGroup,
  type BloodRequest,
  type BloodCrossmatch,
  type BloodIssue,
  type TransfusionReaction,
  type BloodComponent,
  type BloodUnitStatus,
  type BloodUrgency,
  type CrossmatchMethod,
  type CrossmatchResult,
  type ReactionKind,
  type ReactionSeverity,
  type Imputability,
} from './rows-of-units.ts'
export {
  startTransfusion,
  stopTransfusion,
  completeTransfusion,
  type StartTransfusionInput,
  type CompleteTransfusionInput,
} from './transfusion.ts'
export {
  prepareUnit,
  releaseDonation,
  lookBack,
  discardUnit,
  expireUnits,
  freeLapsedUnits,
  type PrepareUnitInput,
  type DonationRelease,
  type LookBackRow,
} from './units.ts'
