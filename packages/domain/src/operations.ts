import {
  assertNotProduction,
  assertNotProductionSql,
  listActiveTenants,
  listActiveTenantsSql,
  readEnvironment,
  readEnvironmentSql,
  readSetting,
  readSettingSql,
  setReason,
  setReasonSql,
} from './core/context.ts'
import {
  forgetIdempotencyKeys,
  forgetIdempotencyKeysSql,
  idempotentBegin,
  idempotentBeginSql,
  idempotentFinish,
  idempotentFinishSql,
} from './core/idempotency.ts'
import { configureSeries, configureSeriesSql, nextNumber, nextNumberSql } from './core/numbers.ts'
import {
  claimOutbox,
  claimOutboxSql,
  enqueueOutboxEvent,
  enqueueOutboxEventSql,
  markFailed,
  markFailedSql,
  markPublished,
  markPublishedSql,
  replayOutboxEvent,
  replayOutboxEventSql,
} from './core/outbox.ts'
import {
  closeBreakGlass,
  closeBreakGlassSql,
  openBreakGlass,
  openBreakGlassSql,
  reviewBreakGlass,
  reviewBreakGlassSql,
} from './audit/break-glass.ts'
import { logAccess, logAccessSql, logEvent, logEventSql } from './audit/log.ts'
import {
  revokeSessions,
  revokeSessionsSql,
  rotateSession,
  rotateSessionSql,
  startSession,
  startSessionSql,
} from './auth/sessions.ts'
import { recordSignIn, recordSignInSql } from './auth/sign-in.ts'
import { calculateBmi, calculateBmiSql } from './patient/calculate-bmi.ts'
import { findDuplicates, findDuplicatesSql } from './patient/find-duplicates.ts'
import {
  dismissMerge,
  dismissMergeSql,
  mergePatients,
  mergePatientsSql,
  proposeMerge,
  proposeMergeSql,
  unmergePatients,
  unmergePatientsSql,
} from './patient/merge.ts'
import { addIdentifier, addIdentifierSql, registerPatient, registerPatientSql } from './patient/register.ts'
import { issueToken, issueTokenSql, transferToken, transferTokenSql } from './scheduling/issue-token.ts'
import {
  cancelAppointment,
  cancelAppointmentSql,
  checkIn,
  checkInSql,
  completeAppointment,
  completeAppointmentSql,
  confirmAppointment,
  confirmAppointmentSql,
  markLeft,
  markLeftSql,
  markNoShow,
  markNoShowSql,
  rescheduleAppointment,
  rescheduleAppointmentSql,
  startConsultation,
  startConsultationSql,
} from './scheduling/move-appointment.ts'
import {
  callNext,
  callNextSql,
  expireTokens,
  expireTokensSql,
  finishService,
  finishServiceSql,
  leaveQueue,
  leaveQueueSql,
  recallToken,
  recallTokenSql,
  returnToWaiting,
  returnToWaitingSql,
  skipToken,
  skipTokenSql,
  startService,
  startServiceSql,
} from './scheduling/serve-queue.ts'
import { closePastSlots, closePastSlotsSql, generateSlots, generateSlotsSql } from './scheduling/slots.ts'
import { createBooking, createBookingSql } from './booking/create-booking.ts'
import {
  confirmHold,
  confirmHoldSql,
  expireHolds,
  expireHoldsSql,
  holdSlot,
  holdSlotSql,
  releaseHold,
  releaseHoldSql,
} from './booking/holds.ts'
import { setContactPreference, setContactPreferenceSql } from './communication/contact-preference.ts'
import {
  claimNotifications,
  claimNotificationsSql,
  finishNotification,
  finishNotificationSql,
  recordDelivery,
  recordDeliverySql,
} from './communication/dispatch.ts'
import {
  cancelNotification,
  cancelNotificationSql,
  queueNotification,
  queueNotificationSql,
} from './communication/queue-notification.ts'
import {
  claimEvents,
  claimEventsSql,
  claimNextEvent,
  claimNextEventSql,
  extendLease,
  extendLeaseSql,
  releaseExpiredLeases,
  releaseExpiredLeasesSql,
} from './webhook/claim-events.ts'
import { enqueueEvent, enqueueEventSql, replayEvent, replayEventSql } from './webhook/enqueue-event.ts'
import { markEventResult, markEventResultSql } from './webhook/mark-event-result.ts'

export interface Operation {
  /** The statement, to be pasted into psql. */
  readonly sql: string
  readonly call: (tx: never, ...input: never[]) => Promise<unknown>
}

/** Every SQL operation that an application role may call, with its wrapper. A test compares it with the database. */
export const operations = {
  'core.set_reason': { sql: setReasonSql, call: setReason },
  'core.setting': { sql: readSettingSql, call: readSetting },
  'core.environment': { sql: readEnvironmentSql, call: readEnvironment },
  'core.assert_not_production': { sql: assertNotProductionSql, call: assertNotProduction },
  'core.active_tenants': { sql: listActiveTenantsSql, call: listActiveTenants },
  'core.idempotent_begin': { sql: idempotentBeginSql, call: idempotentBegin },
  'core.idempotent_finish': { sql: idempotentFinishSql, call: idempotentFinish },
  'core.forget_idempotency_keys': { sql: forgetIdempotencyKeysSql, call: forgetIdempotencyKeys },
  'core.configure_series': { sql: configureSeriesSql, call: configureSeries },
  'core.next_number': { sql: nextNumberSql, call: nextNumber },
  'core.enqueue': { sql: enqueueOutboxEventSql, call: enqueueOutboxEvent },
  'core.claim_outbox': { sql: claimOutboxSql, call: claimOutbox },
  'core.mark_published': { sql: markPublishedSql, call: markPublished },
  'core.mark_failed': { sql: markFailedSql, call: markFailed },
  'core.replay_event': { sql: replayOutboxEventSql, call: replayOutboxEvent },
  'audit.open_break_glass': { sql: openBreakGlassSql, call: openBreakGlass },
  'audit.close_break_glass': { sql: closeBreakGlassSql, call: closeBreakGlass },
  'audit.review_break_glass': { sql: reviewBreakGlassSql, call: reviewBreakGlass },
  'audit.log_access': { sql: logAccessSql, call: logAccess },
  'audit.log_event': { sql: logEventSql, call: logEvent },
  'auth.start_session': { sql: startSessionSql, call: startSession },
  'auth.rotate_session': { sql: rotateSessionSql, call: rotateSession },
  'auth.revoke_sessions': { sql: revokeSessionsSql, call: revokeSessions },
  'auth.record_sign_in': { sql: recordSignInSql, call: recordSignIn },
  'patient.calculate_bmi': { sql: calculateBmiSql, call: calculateBmi },
  'patient.find_duplicates': { sql: findDuplicatesSql, call: findDuplicates },
  'patient.propose_merge': { sql: proposeMergeSql, call: proposeMerge },
  'patient.dismiss_merge': { sql: dismissMergeSql, call: dismissMerge },
  'patient.merge': { sql: mergePatientsSql, call: mergePatients },
  'patient.unmerge': { sql: unmergePatientsSql, call: unmergePatients },
  'patient.register': { sql: registerPatientSql, call: registerPatient },
  'patient.add_identifier': { sql: addIdentifierSql, call: addIdentifier },
  'scheduling.issue_token': { sql: issueTokenSql, call: issueToken },
  'scheduling.transfer_token': { sql: transferTokenSql, call: transferToken },
  'scheduling.confirm_appointment': { sql: confirmAppointmentSql, call: confirmAppointment },
  'scheduling.cancel_appointment': { sql: cancelAppointmentSql, call: cancelAppointment },
  'scheduling.reschedule_appointment': { sql: rescheduleAppointmentSql, call: rescheduleAppointment },
  'scheduling.check_in': { sql: checkInSql, call: checkIn },
  'scheduling.start_consultation': { sql: startConsultationSql, call: startConsultation },
  'scheduling.complete_appointment': { sql: completeAppointmentSql, call: completeAppointment },
  'scheduling.mark_no_show': { sql: markNoShowSql, call: markNoShow },
  'scheduling.mark_left': { sql: markLeftSql, call: markLeft },
  'scheduling.call_next': { sql: callNextSql, call: callNext },
  'scheduling.recall_token': { sql: recallTokenSql, call: recallToken },
  'scheduling.skip_token': { sql: skipTokenSql, call: skipToken },
  'scheduling.return_to_waiting': { sql: returnToWaitingSql, call: returnToWaiting },
  'scheduling.start_service': { sql: startServiceSql, call: startService },
  'scheduling.finish_service': { sql: finishServiceSql, call: finishService },
  'scheduling.leave_queue': { sql: leaveQueueSql, call: leaveQueue },
  'scheduling.expire_tokens': { sql: expireTokensSql, call: expireTokens },
  'scheduling.generate_slots': { sql: generateSlotsSql, call: generateSlots },
  'scheduling.close_past_slots': { sql: closePastSlotsSql, call: closePastSlots },
  'booking.create_booking': { sql: createBookingSql, call: createBooking },
  'booking.hold_slot': { sql: holdSlotSql, call: holdSlot },
  'booking.confirm_hold': { sql: confirmHoldSql, call: confirmHold },
  'booking.release_hold': { sql: releaseHoldSql, call: releaseHold },
  'booking.expire_holds': { sql: expireHoldsSql, call: expireHolds },
  'communication.set_contact_preference': { sql: setContactPreferenceSql, call: setContactPreference },
  'communication.claim_notifications': { sql: claimNotificationsSql, call: claimNotifications },
  'communication.finish_notification': { sql: finishNotificationSql, call: finishNotification },
  'communication.record_delivery': { sql: recordDeliverySql, call: recordDelivery },
  'communication.queue_notification': { sql: queueNotificationSql, call: queueNotification },
  'communication.cancel_notification': { sql: cancelNotificationSql, call: cancelNotification },
  'webhook.claim_events': { sql: claimEventsSql, call: claimEvents },
  'webhook.claim_next_event': { sql: claimNextEventSql, call: claimNextEvent },
  'webhook.extend_lease': { sql: extendLeaseSql, call: extendLease },
  'webhook.release_expired_leases': { sql: releaseExpiredLeasesSql, call: releaseExpiredLeases },
  'webhook.enqueue_event': { sql: enqueueEventSql, call: enqueueEvent },
  'webhook.replay_event': { sql: replayEventSql, call: replayEvent },
  'webhook.mark_event_result': { sql: markEventResultSql, call: markEventResult },
} as const satisfies Record<`${string}.${string}`, Operation>

export type OperationName = keyof typeof operations
