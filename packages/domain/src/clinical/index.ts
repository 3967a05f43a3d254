// Wrappers of the operations of schema/clinical.
export {
  type Admission,
  type AdmissionStatus,
  type AdmissionType,
  type CareClass,
  type DischargeKind,
} from './admission.ts'
export { admitPatient, cancelAdmission, requestAdmission, type RequestAdmissionInput } from './admit.ts'
export { stateNoKnownAllergies, type AllergyStatement } from './allergies.ts'
export { addCareTeamMember, endCareTeamMember, type CareTeamMember, type CareTeamRole } from './care-team.ts'
export {
  clearBilling,
  clearPharmacy,
  completeClinicalDischarge,
  orderDischarge,
  recordDeparture,
  withdrawDischarge,
} from './discharge.ts'
export {
  amendDischargeSummary,
  approveDischargeSummary,
  handOverDischargeSummary,
  prepareDischargeSummary,
  returnDischargeSummary,
  submitDischargeSummary,
  type DischargeSummary,
  type DischargeSummaryContent,
} from './discharge-summaries.ts'
export {
  type Disposition,
  type Encounter,
  type EncounterClass,
  type EncounterStatus,
  type Isolation,
} from './encounter.ts'
export { evaluateStg, waiveStgCriterion, type StgResult } from './guidelines.ts'
export {
  amendImagingReport,
  noteCriticalTold,
  reportImagingStudy,
  verifyImagingReport,
  type AmendImagingReportInput,
  type ImagingReport,
  type ReportImagingStudyInput,
} from './imaging-reports.ts'
export {
  moveImagingStudy,
  registerImagingStudy,
  type ImagingStudy,
  type ImagingStudyMove,
  type Modality,
  type RegisterImagingStudyInput,
} from './imaging-studies.ts'
export { recordImplant, type Implant, type RecordImplantInput } from './implants.ts'
export {
  amendMedicalRecord,
  cosignMedicalRecord,
  discardMedicalRecord,
  markMedicalRecordInError,
  signMedicalRecord,
  writeMedicalRecord,
  type AmendMedicalRecordInput,
  type MedicalRecord,
  type WriteMedicalRecordInput,
} from './medical-records.ts'
export {
  arriveEncounter,
  cancelEncounter,
  finishEncounter,
  registerMedicoLegalCase,
  sendOnLeave,
  startEncounter,
  triageEncounter,
} from './move-encounter.ts'
export {
  amendObservation,
  recordObservation,
  type ClinicalObservation,
  type ObservationValue,
  type RecordObservationInput,
} from './observations.ts'
export { openEncounter, type OpenEncounterInput } from './open-encounter.ts'
export {
  completeOrder,
  holdOrder,
  placeOrder,
  resumeOrder,
  revokeOrder,
  type OrderCategory,
  type OrderDetails,
  type OrderPriority,
  type PlaceOrderInput,
  type ServiceOrder,
} from './orders.ts'
export {
  abandonProcedure,
  completeProcedure,
  planProcedure,
  recordIncision,
  signInProcedure,
  signOutProcedure,
  timeOutProcedure,
  type PlanProcedureInput,
  type Procedure,
  type ProcedureKind,
  type SignOutProcedureInput,
} from './procedures.ts'
export {
  giveVaccination,
  refuseVaccination,
  type GiveVaccinationInput,
  type RefuseVaccinationInput,
  type Vaccination,
} from './vaccinations.ts'
export {
  news2,
  recordVitalSigns,
  type News2Input,
  type RecordVitalSignsInput,
  type VitalSigns,
  type VitalSignValues,
} from './vital-signs.ts'
