import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

export interface IdempotentRequest {
  /** Name of the operation: keys of different operations do not meet. */
  readonly operation: string
  /** 8 to 200 characters, chosen by the client, the same for every repetition of one request. */
  readonly key: string
  /** SHA-256 of what the request says. */
  readonly requestHash: Uint8Array
  /** How long a holder that crashed keeps the key. Default 30. */
  readonly leaseSeconds?: number
}

export interface IdempotentClaim {
  /** new: do the work, then idempotentFinish. done: `response` is the answer that was given. */
  readonly state: 'new' | 'done'
  readonly response: unknown
}

export const idempotentBeginSql = `
select state, response
from core.idempotent_begin($1, $2, $3, make_interval(secs => $4))`

/**
 * Claims a key.
 * @throws RequestInProgressError (IM010), IdempotencyKeyReusedError (IM011)
 */
export async function idempotentBegin(tx: Transaction, request: IdempotentRequest): Promise<IdempotentClaim> {
  const { operation, key, requestHash, leaseSeconds = 30 } = request
  return single(await tx.query<IdempotentClaim>(idempotentBeginSql, [operation, key, requestHash, leaseSeconds]))
}

export interface IdempotentOutcome {
  readonly operation: string
  readonly key: string
  readonly response: object
  /** Set when the work failed in a way that may be tried again with the same key. */
  readonly errorCode?: string
}

export const idempotentFinishSql = 'select core.idempotent_finish($1, $2, $3::jsonb, $4)'

/**
 * Stores the answer of a claimed key.
 * @throws NotFoundError (IM005) when the key is not in progress
 */
export async function idempotentFinish(tx: Transaction, outcome: IdempotentOutcome): Promise<void> {
  const { operation, key, response, errorCode = null } = outcome
  await tx.query(idempotentFinishSql, [operation, key, response, errorCode])
}

/**
 * Runs `work` once per key, in one transaction with the key: a repetition gets the answer of the first, as JSON gives it back.
 * @throws what `work` throws, RequestInProgressError (IM010), IdempotencyKeyReusedError (IM011)
 */
export async function once<T extends object>(
  tx: Transaction,
  request: IdempotentRequest,
  work: () => Promise<T>,
): Promise<T> {
  const claim = await idempotentBegin(tx, request)
  if (claim.state === 'done') return claim.response as T
  const response = await work()
  await idempotentFinish(tx, { operation: request.operation, key: request.key, response })
  return response
}

export const forgetIdempotencyKeysSql = 'select core.forget_idempotency_keys($1) as removed'

/** Removes up to `limit` expired keys of the tenant (default 1000) and returns how many. For a job. */
export async function forgetIdempotencyKeys(tx: Transaction, limit = 1000): Promise<number> {
  return single(await tx.query<{ removed: number }>(forgetIdempotencyKeysSql, [limit])).removed
}
