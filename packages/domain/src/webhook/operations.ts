import {
  claimEvents,
  claimEventsSql,
  claimNextEvent,
  claimNextEventSql,
  extendLease,
  extendLeaseSql,
  releaseExpiredLeases,
  releaseExpiredLeasesSql,
} from './claim-events.ts'
import { enqueueEvent, enqueueEventSql, replayEvent, replayEventSql } from './enqueue-event.ts'
import { markEventResult, markEventResultSql } from './mark-event-result.ts'

/** The operations of schema/webhook that an application may call. */
export const webhookOperations = {
  'webhook.claim_events': { sql: claimEventsSql, call: claimEvents },
  'webhook.claim_next_event': { sql: claimNextEventSql, call: claimNextEvent },
  'webhook.extend_lease': { sql: extendLeaseSql, call: extendLease },
  'webhook.release_expired_leases': { sql: releaseExpiredLeasesSql, call: releaseExpiredLeases },
  'webhook.enqueue_event': { sql: enqueueEventSql, call: enqueueEvent },
  'webhook.replay_event': { sql: replayEventSql, call: replayEvent },
  'webhook.mark_event_result': { sql: markEventResultSql, call: markEventResult },
} as const
