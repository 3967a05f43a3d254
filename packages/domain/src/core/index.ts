// Wrappers of the operations of schema/core.
export {
  assertNotProduction,
  listActiveTenants,
  readEnvironment,
  readSetting,
  setReason,
  type Environment,
} from './context.ts'
export {
  forgetIdempotencyKeys,
  idempotentBegin,
  idempotentFinish,
  once,
  type IdempotentClaim,
  type IdempotentOutcome,
  type IdempotentRequest,
} from './idempotency.ts'
export { configureSeries, nextNumber, type NextNumberInput, type NumberSeries } from './numbers.ts'
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
} from './outbox.ts'
