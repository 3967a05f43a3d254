// Wrappers of the operations of schema/scheduling.
export { type Appointment, type AppointmentStatus } from './appointment.ts'
export { issueToken, transferToken, type IssueTokenInput, type TransferTokenInput } from './issue-token.ts'
export {
  cancelAppointment,
  checkIn,
  completeAppointment,
  confirmAppointment,
  markLeft,
  markNoShow,
  rescheduleAppointment,
  startConsultation,
  type CheckInInput,
  type CheckInResult,
  type RescheduleInput,
} from './move-appointment.ts'
export {
  callNext,
  expireTokens,
  finishService,
  leaveQueue,
  recallToken,
  returnToWaiting,
  skipToken,
  startService,
  type CallNextInput,
} from './serve-queue.ts'
export { closePastSlots, generateSlots, type GenerateSlotsInput } from './slots.ts'
export { type QueueToken } from './token.ts'
