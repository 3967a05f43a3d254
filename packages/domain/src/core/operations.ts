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
} from './context.ts'
import {
  forgetIdempotencyKeys,
  forgetIdempotencyKeysSql,
  idempotentBegin,
  idempotentBeginSql,
  idempotentFinish,
  idempotentFinishSql,
} from './idempotency.ts'
import { configureSeries, configureSeriesSql, nextNumber, nextNumberSql } from './numbers.ts'
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
} from './outbox.ts'

/** The operations of schema/core that an application may call. */
export const coreOperations = {
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
} as const
