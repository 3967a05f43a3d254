// Wrappers of the operations of schema/medication.
export {
  activatePrescription,
  checkPrescription,
  type ActivatePrescriptionInput,
  type PrescriptionAlert,
} from './activate-prescription.ts'
export {
  completeItem,
  expirePrescriptions,
  holdItem,
  markItemInError,
  resumeItem,
  stopItem,
  stopPrescription,
} from './change-orders.ts'
export {
  cancelDispense,
  completeDispense,
  dispense,
  returnDispense,
  type CompleteDispenseInput,
  type Dispense,
  type DispenseInput,
  type DispenseLine,
  type ReturnDispenseInput,
} from './dispense.ts'
export {
  giveDose,
  markDoseInError,
  recordNotGiven,
  scheduleDoses,
  scheduleDueDoses,
  type Dose,
  type DoseKey,
  type GiveDoseInput,
  type NotGivenInput,
} from './doses.ts'
export {
  addPrescriptionItem,
  cancelPrescription,
  draftPrescription,
  removePrescriptionItem,
  type DoseTiming,
  type DraftPrescriptionInput,
  type NewPrescriptionItem,
} from './draft-prescription.ts'
export {
  type Prescription,
  type PrescriptionContext,
  type PrescriptionItem,
  type PrescriptionStatus,
} from './prescription.ts'
