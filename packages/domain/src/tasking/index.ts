// Wrappers of the operations of schema/tasking.
export { createTask, type CreateTaskInput } from './create-task.ts'
export {
  acceptHandover,
  addHandoverPatient,
  cancelHandover,
  closeShift,
  completeHandover,
  draftHandover,
  readBack,
  rejectHandover,
  reviseHandover,
  submitHandover,
  type AddHandoverPatientInput,
  type DraftHandoverInput,
  type Handover,
  type HandoverPatient,
  type HandoverStatus,
  type IllnessSeverity,
} from './handovers.ts'
export {
  mergeOperation,
  resolveConflict,
  type MergeOperationInput,
  type ResolveConflictInput,
  type SyncOperation,
  type SyncedTable,
} from './merge-operation.ts'
export {
  assignTask,
  cancelTask,
  completeTask,
  holdTask,
  markOverdueTasks,
  reopenTask,
  startTask,
  verifyTask,
} from './move-tasks.ts'
export { type Task, type TaskPriority, type TaskStatus } from './task.ts'
export {
  beginVerification,
  decideVerification,
  emrVerificationSummary,
  failVerification,
  openVerification,
  recordVerification,
  repeatVerifications,
  type EmrVerification,
  type ExternalEmr,
  type OpenVerificationInput,
  type VerificationStatus,
  type VerificationSummary,
} from './verifications.ts'
