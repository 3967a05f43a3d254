import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { tokenColumns, type QueueToken } from './token.ts'

export interface CallNextInput {
  readonly queueKey: string
  /** The counter that calls. */
  readonly counterLocationId?: string
  /** Calendar date at the clinic, YYYY-MM-DD. Default: today there. */
  readonly queueDate?: string
}

export const callNextSql = `select ${tokenColumns}\nfrom scheduling.call_next($1, $2, $3)`

/**
 * Calls the waiting token with the highest priority, then the lowest number. Two counters never call the same one.
 * @throws QueueEmptyError (IM153)
 */
export async function callNext(tx: Transaction, input: CallNextInput): Promise<QueueToken> {
  const { queueKey, counterLocationId = null, queueDate = null } = input
  return single(await tx.query<QueueToken>(callNextSql, [queueKey, counterLocationId, queueDate]))
}

export const recallTokenSql = `select ${tokenColumns}\nfrom scheduling.recall_token($1)`

/**
 * Calls a called or skipped token once more.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), TokenExpiredError (IM152)
 */
export async function recallToken(tx: Transaction, tokenId: string): Promise<QueueToken> {
  return single(await tx.query<QueueToken>(recallTokenSql, [tokenId]))
}

export const skipTokenSql = `select ${tokenColumns}\nfrom scheduling.skip_token($1)`

/**
 * Nobody came when the token was called.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), TokenExpiredError (IM152)
 */
export async function skipToken(tx: Transaction, tokenId: string): Promise<QueueToken> {
  return single(await tx.query<QueueToken>(skipTokenSql, [tokenId]))
}

export const returnToWaitingSql = `select ${tokenColumns}\nfrom scheduling.return_to_waiting($1)`

/**
 * Puts a called, skipped or served token back; it keeps its number and so its turn.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), TokenExpiredError (IM152)
 */
export async function returnToWaiting(tx: Transaction, tokenId: string): Promise<QueueToken> {
  return single(await tx.query<QueueToken>(returnToWaitingSql, [tokenId]))
}

export const startServiceSql = `select ${tokenColumns}\nfrom scheduling.start_service($1)`

/**
 * The called patient is at the counter.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), TokenExpiredError (IM152)
 */
export async function startService(tx: Transaction, tokenId: string): Promise<QueueToken> {
  return single(await tx.query<QueueToken>(startServiceSql, [tokenId]))
}

export const finishServiceSql = `select ${tokenColumns}\nfrom scheduling.finish_service($1)`

/**
 * Service at the counter is over.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function finishService(tx: Transaction, tokenId: string): Promise<QueueToken> {
  return single(await tx.query<QueueToken>(finishServiceSql, [tokenId]))
}

export const leaveQueueSql = `select ${tokenColumns}\nfrom scheduling.leave_queue($1)`

/**
 * The patient gave up waiting.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), TokenExpiredError (IM152)
 */
export async function leaveQueue(tx: Transaction, tokenId: string): Promise<QueueToken> {
  return single(await tx.query<QueueToken>(leaveQueueSql, [tokenId]))
}

export const expireTokensSql = 'select scheduling.expire_tokens($1) as expired'

/** Ends up to `limit` tokens that nobody will call any more (default 1000) and returns how many. For a job. */
export async function expireTokens(tx: Transaction, limit = 1000): Promise<number> {
  return single(await tx.query<{ expired: number }>(expireTokensSql, [limit])).expired
}
