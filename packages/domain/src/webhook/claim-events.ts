import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

export interface ClaimInput {
  readonly worker: string
  /** 1 to 3600. Default 30. */
  readonly leaseSeconds?: number
  readonly directions?: readonly ('in' | 'out')[]
  readonly types?: readonly string[]
}

export interface ClaimedEvent {
  readonly id: string
  readonly webhookId: string
  readonly direction: 'in' | 'out'
  readonly eventType: string
  readonly dedupeKey: string
  readonly payloadEnc: Buffer
  readonly payloadHash: Buffer
  readonly receivedAt: Date
  readonly priority: number
  readonly orderKey: string | null
  readonly queueNumber: number
  /** This attempt included. */
  readonly attempts: number
  readonly maxAttempts: number
  readonly lockedUntil: Date
  /** Proof of the lease: markEventResult asks for it. */
  readonly lockToken: string
}

const claimedColumns = `
  id, webhook_id as "webhookId", direction, event_type as "eventType", dedupe_key as "dedupeKey",
  payload_enc as "payloadEnc", payload_hash as "payloadHash", received_at as "receivedAt", priority,
  order_key as "orderKey", queue_number as "queueNumber", attempts, max_attempts as "maxAttempts",
  locked_until as "lockedUntil", lock_token as "lockToken"`

export const claimEventsSql = `
select ${claimedColumns}
from webhook.claim_events($1, $2, make_interval(secs => $3), $4::text[], $5::text[])`

/** Claims up to `limit` (1 to 1000, default 20) due events of the tenant, of each order key only the oldest. */
export async function claimEvents(
  tx: Transaction,
  input: ClaimInput & { readonly limit?: number },
): Promise<ClaimedEvent[]> {
  const { worker, limit = 20, leaseSeconds = 30, directions = null, types = null } = input
  return tx.query<ClaimedEvent>(claimEventsSql, [worker, limit, leaseSeconds, directions, types])
}

export const claimNextEventSql = `
select ${claimedColumns}
from webhook.claim_next_event($1, make_interval(secs => $2), $3::text[], $4::text[])`

/** Claims the next due event of the tenant, null when there is none. */
export async function claimNextEvent(tx: Transaction, input: ClaimInput): Promise<ClaimedEvent | null> {
  const { worker, leaseSeconds = 30, directions = null, types = null } = input
  const rows = await tx.query<ClaimedEvent>(claimNextEventSql, [worker, leaseSeconds, directions, types])
  return rows[0] ?? null
}

export const extendLeaseSql = 'select webhook.extend_lease($1, $2, make_interval(secs => $3)) as until'

/**
 * Prolongs the lease of a claimed event to `leaseSeconds` (default 30) from now and returns its end.
 * @throws LeaseLostError (IM850)
 */
export async function extendLease(
  tx: Transaction,
  event: Pick<ClaimedEvent, 'id' | 'lockToken'>,
  leaseSeconds = 30,
): Promise<Date> {
  return single(await tx.query<{ until: Date }>(extendLeaseSql, [event.id, event.lockToken, leaseSeconds])).until
}

export const releaseExpiredLeasesSql = 'select webhook.release_expired_leases($1) as released'

/** Gives up to `limit` events (default 100) whose lease ran out back to the queue. Every claim does it first. */
export async function releaseExpiredLeases(tx: Transaction, limit = 100): Promise<number> {
  return single(await tx.query<{ released: number }>(releaseExpiredLeasesSql, [limit])).released
}
