// Wrappers of the operations of schema/laboratory.
export { cancelOrder, cancelOrderItem, placeOrder, type PlaceOrderInput } from './orders.ts'
export {
  accession,
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
  amendReport,
  issueReport,
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
