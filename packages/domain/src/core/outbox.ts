import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

export interface OutboxEventInput {
  readonly aggregateType: string
  readonly aggregateId: string
  /** aggregate.verb.vN */
  readonly eventType: string
  /** Ids and versions only, never health data. */
  readonly payload: object
}

export const enqueueOutboxEventSql = 'select core.enqueue($1, $2, $3, $4::jsonb) as sequence'

/** Writes an event in the transaction of the change that it tells of; returns its order number. */
export async function enqueueOutboxEvent(tx: Transaction, event: OutboxEventInput): Promise<number> {
  const rows = await tx.query<{ sequence: number }>(enqueueOutboxEventSql, [
    event.aggregateType,
    event.aggregateId,
    event.eventType,
    event.payload,
  ])
  return single(rows).sequence
}

export interface OutboxClaimInput {
  readonly worker: string
  /** Default 100. */
  readonly limit?: number
  /** Default 30. */
  readonly leaseSeconds?: number
}

export interface OutboxEvent {
  readonly id: string
  readonly aggregateType: string
  readonly aggregateId: string
  readonly sequence: number
  readonly eventType: string
  readonly payload: unknown
  readonly headers: unknown
  readonly occurredAt: Date
  readonly attempts: number
  readonly lockToken: string
}

export const claimOutboxSql = `
select
  id, aggregate_type as "aggregateType", aggregate_id as "aggregateId", aggregate_seq as sequence,
  event_type as "eventType", payload, headers, occurred_at as "occurredAt", attempts, lock_token as "lockToken"
from core.claim_outbox($1, $2, make_interval(secs => $3))`

/** Claims due events of the tenant, the oldest unpublished one of each aggregate, all with one lock token. */
export async function claimOutbox(tx: Transaction, input: OutboxClaimInput): Promise<OutboxEvent[]> {
  return tx.query<OutboxEvent>(claimOutboxSql, [input.worker, input.limit ?? 100, input.leaseSeconds ?? 30])
}

export const markPublishedSql = 'select core.mark_published($1::uuid[], $2)'

/**
 * Marks claimed events as published, all or none.
 * @throws LeaseLostError (IM850)
 */
export async function markPublished(tx: Transaction, eventIds: readonly string[], lockToken: string): Promise<void> {
  await tx.query(markPublishedSql, [eventIds, lockToken])
}

export interface OutboxFailure {
  readonly eventId: string
  readonly lockToken: string
  readonly error: string
  /** Attempts before the event is parked as dead. Default 12. */
  readonly maxAttempts?: number
}

export const markFailedSql = 'select core.mark_failed($1, $2, $3, $4) as status'

/**
 * Gives a claimed event back with exponential back-off, or parks it as dead; returns its status.
 * @throws LeaseLostError (IM850)
 */
export async function markFailed(tx: Transaction, failure: OutboxFailure): Promise<'pending' | 'dead'> {
  const { eventId, lockToken, error, maxAttempts = 12 } = failure
  const rows = await tx.query<{ status: 'pending' | 'dead' }>(markFailedSql, [eventId, lockToken, error, maxAttempts])
  return single(rows).status
}

export const replayOutboxEventSql = 'select core.replay_event($1)'

/**
 * Puts a dead event back into the outbox.
 * @throws NotFoundError (IM005) when it is not dead
 */
export async function replayOutboxEvent(tx: Transaction, eventId: string): Promise<void> {
  await tx.query(replayOutboxEventSql, [eventId])
}
