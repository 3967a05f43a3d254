// Wrappers of the operations of schema/patient.
export { calculateBmi } from './calculate-bmi.ts'
export { findDuplicates, type FindDuplicatesInput } from './find-duplicates.ts'
export { dismissMerge, mergePatients, proposeMerge, unmergePatients, type MergeProposal } from './merge.ts'
export {
  addIdentifier,
  registerPatient,
  type Demographics,
  type PatientCandidate,
  type PatientIdentifier,
  type RegisterPatientInput,
  type RegisterPatientResult,
} from './register.ts'
export { searchPatients, type FoundPatient } from './search.ts'
