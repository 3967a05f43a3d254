import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

export interface WebhookEventInput {
  /** Code of the endpoint. */
  readonly webhook: string
  readonly eventType: string
  /** The sender's id of the event: the same key at an endpoint is one event. */
  readonly dedupeKey: string
  readonly payloadEnc: Uint8Array
  /** SHA-256 of the plain payload. */
  readonly payloadHash: Uint8Array
  /** Events of one key are handled strictly one after another. */
  readonly orderKey?: string
  /** 1 (first) to 9. Default 5. */
  readonly priority?: number
  /** Not handled before. Default: now. */
  readonly dueAt?: Date
  /** Inbound only: without a right signature the event is kept as rejected. */
  readonly signatureOk?: boolean
  /** Id of the row, for a ciphertext that is bound to it. Default: a new one. */
  readonly id?: string
}

export type WebhookEventStatus = 'pending' | 'processing' | 'retry' | 'succeeded' | 'dead' | 'rejected'

export interface QueuedWebhookEvent {
  readonly eventId: string
  readonly status: WebhookEventStatus
  /** False when the event was there already. */
  readonly created: boolean
}

export const enqueueEventSql = `
select event_id as "eventId", status, created
from webhook.enqueue_event($1, $2, $3, $4, $5, $6, $7::smallint, $8, $9, $10)`

/**
 * Puts an event into the queue of an endpoint; the same key and content is the same event.
 * @throws NotFoundError (IM005) no such endpoint, IdempotencyKeyReusedError (IM011), OperationRefusedError (IM852 endpoint
 * disabled, IM853 type not taken)
 */
export async function enqueueEvent(tx: Transaction, event: WebhookEventInput): Promise<QueuedWebhookEvent> {
  const rows = await tx.query<QueuedWebhookEvent>(enqueueEventSql, [
    event.webhook,
    event.eventType,
    event.dedupeKey,
    event.payloadEnc,
    event.payloadHash,
    event.orderKey ?? null,
    event.priority ?? 5,
    event.dueAt ?? null,
    event.signatureOk ?? null,
    event.id ?? null,
  ])
  return single(rows)
}

export const replayEventSql = 'select webhook.replay_event($1)'

/**
 * Puts a dead event back into the queue, behind the others of its order key.
 * @throws IllegalTransitionError (IM001) when it is not dead, NotFoundError (IM005)
 */
export async function replayEvent(tx: Transaction, eventId: string): Promise<void> {
  await tx.query(replayEventSql, [eventId])
}
