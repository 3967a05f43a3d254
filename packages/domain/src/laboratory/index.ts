// Wrappers of the operations of schema/laboratory.
export { cancelLabOrder, cancelLabOrderItem, placeLabOrder, type PlaceLabOrderInput } from './orders.ts'
export {
  accessionOrder,
  changeSampleState,
  createAliquots,
  type ChangeSampleStateInput,
  type CreateAliquotsInput,
  type PreprintedLabel,
  type SampleMoveDetails,
} from './samples.ts'
export {
  authoriseResult,
  cancelResult,
  correctResult,
  enterResult,
  verifyResult,
  type CorrectResultInput,
  type EnterResultInput,
  type ResultValue,
} from './results.ts'
export {
  amendLabReport,
  issueLabReport,
  notifyCritical,
  type CriticalNotification,
  type NotifyCriticalInput,
} from './reports.ts'
export {
  acceptQcLot,
  recordEqa,
  recordQc,
  retireQcLot,
  reviewQc,
  type QcLot,
  type QcResult,
  type RecordEqaInput,
  type WestgardRule,
} from './quality-control.ts'
export {
  type DiagnosticReport,
  type LabOrder,
  type LabOrderItem,
  type LabResult,
  type Sample,
  type SampleEvent,
  type SampleStatus,
} from './rows.ts'
