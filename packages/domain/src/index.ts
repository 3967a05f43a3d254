// Typed operations, a mirror of schema/<module>: one thin wrapper per SQL operation that an application may call.
export { operations, type Operation, type OperationName } from './operations.ts'
export {
  assertNotProduction,
  listActiveTenants,
  readEnvironment,
  readSetting,
  setReason,
  type Environment,
} from './core/context.ts'
export {
  forgetIdempotencyKeys,
  idempotentBegin,
  idempotentFinish,
  once,
  type IdempotentClaim,
  type IdempotentOutcome,
  type IdempotentRequest,
} from './core/idempotency.ts'
export { configureSeries, nextNumber, type NextNumberInput, type NumberSeries } from './core/numbers.ts'
export {
  claimOutbox,
  enqueueOutboxEvent,
  markFailed,
  markPublished,
  replayOutboxEvent,
  type OutboxClaimInput,
  type OutboxEvent,
  type OutboxEventInput,
  type OutboxFailure,
} from './core/outbox.ts'
export {
  closeBreakGlass,
  openBreakGlass,
  reviewBreakGlass,
  type BreakGlassInput,
  type ReviewOutcome,
} from './audit/break-glass.ts'
export { logAccess, logEvent, type AccessRecord, type AuditEvent } from './audit/log.ts'
export {
  revokeSessions,
  rotateSession,
  startSession,
  type RevokeSessionsInput,
  type RotatedSession,
  type RotateSessionInput,
  type StartSessionInput,
} from './auth/sessions.ts'
export { recordSignIn, type SignInInput, type SignInResult } from './auth/sign-in.ts'
export { calculateBmi } from './patient/calculate-bmi.ts'
export { findDuplicates, type FindDuplicatesInput } from './patient/find-duplicates.ts'
export { dismissMerge, mergePatients, proposeMerge, unmergePatients, type MergeProposal } from './patient/merge.ts'
export {
  addIdentifier,
  registerPatient,
  type Demographics,
  type PatientCandidate,
  type PatientIdentifier,
  type RegisterPatientInput,
  type RegisterPatientResult,
} from './patient/register.ts'
export { type Appointment, type AppointmentStatus } from './scheduling/appointment.ts'
export { issueToken, transferToken, type IssueTokenInput, type TransferTokenInput } from './scheduling/issue-token.ts'
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
} from './scheduling/move-appointment.ts'
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
} from './scheduling/serve-queue.ts'
export { closePastSlots, generateSlots, type GenerateSlotsInput } from './scheduling/slots.ts'
export { type QueueToken } from './scheduling/token.ts'
export { type BookingResult } from './booking/booking-result.ts'
export { createBooking, type CreateBookingInput } from './booking/create-booking.ts'
export { confirmHold, expireHolds, holdSlot, releaseHold, type HoldSlotInput } from './booking/holds.ts'
export { setContactPreference, type ContactPreference } from './communication/contact-preference.ts'
export {
  claimNotifications,
  finishNotification,
  recordDelivery,
  type ClaimedNotification,
  type ClaimNotificationsInput,
  type DeliveryReport,
} from './communication/dispatch.ts'
export {
  cancelNotification,
  queueNotification,
  type Channel,
  type NotificationInput,
  type NotificationStatus,
  type QueuedNotification,
  type RecipientType,
} from './communication/queue-notification.ts'
export {
  claimEvents,
  claimNextEvent,
  extendLease,
  releaseExpiredLeases,
  type ClaimedEvent,
  type ClaimInput,
} from './webhook/claim-events.ts'
export {
  enqueueEvent,
  replayEvent,
  type QueuedWebhookEvent,
  type WebhookEventInput,
  type WebhookEventStatus,
} from './webhook/enqueue-event.ts'
export { markEventResult, type EventResult } from './webhook/mark-event-result.ts'
