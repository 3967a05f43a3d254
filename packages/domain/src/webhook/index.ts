// Wrappers of the operations of schema/webhook.
export {
  claimEvents,
  claimNextEvent,
  extendLease,
  releaseExpiredLeases,
  type ClaimedEvent,
  type ClaimInput,
} from './claim-events.ts'
export {
  enqueueEvent,
  replayEvent,
  type QueuedWebhookEvent,
  type WebhookEventInput,
  type WebhookEventStatus,
} from './enqueue-event.ts'
export { markEventResult, type EventResult } from './mark-event-result.ts'
