import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import type { WebhookEventStatus } from './enqueue-event.ts'

export interface EventResult {
  readonly eventId: string
  readonly lockToken: string
  /** permanent: trying again is useless. */
  readonly outcome: 'success' | 'retryable' | 'permanent' | 'timeout'
  /** HTTP status, when there was an answer; 410 disables the endpoint. */
  readonly responseStatus?: number
  /** Without data of persons. */
  readonly error?: string
  /** Milliseconds. */
  readonly durationMs: number
  /** Start of the answer; leave it out when it may hold health data. */
  readonly responseExcerpt?: string
  /** The receiver's Retry-After. */
  readonly retryAfterSeconds?: number
  /** Credentials and signatures are dropped before they are logged. */
  readonly requestHeaders?: Readonly<Record<string, string>>
}

export const markEventResultSql = `
select webhook.mark_event_result($1, $2, $3, $4, $5, $6, $7, make_interval(secs => $8), $9::jsonb) as status`

/**
 * Reports an attempt and returns what becomes of the event: succeeded, retry (later) or dead.
 * @throws NotFoundError (IM005), LeaseLostError (IM850), EventNotProcessingError (IM851)
 */
export async function markEventResult(tx: Transaction, result: EventResult): Promise<WebhookEventStatus> {
  const rows = await tx.query<{ status: WebhookEventStatus }>(markEventResultSql, [
    result.eventId,
    result.lockToken,
    result.outcome,
    result.responseStatus ?? null,
    result.error ?? null,
    result.durationMs,
    result.responseExcerpt ?? null,
    result.retryAfterSeconds ?? null,
    result.requestHeaders ?? {},
  ])
  return single(rows).status
}
