import type { Transaction } from '@imhotep/postgres'
import { single, toColumns } from '../rows.ts'

/** A call to the ABDM gateway or a callback from it. */
export interface GatewayMessage {
  readonly id: string
  readonly direction: 'out' | 'in'
  readonly path: string
  readonly requestId: string
  readonly responseTo: string | null
  readonly bodyEnc: Buffer
  /** This attempt included. */
  readonly attempts: number
  readonly nextAttemptAt: Date
  /** Proof of the lease while the message is processed. */
  readonly lockToken: string | null
  readonly errorCode: string | null
  readonly status: 'pending' | 'processing' | 'sent' | 'completed' | 'failed' | 'acknowledged'
}

const messageColumns = `
  id, direction, path, request_id as "requestId", response_to as "responseTo", body_enc as "bodyEnc", attempts,
  next_attempt_at as "nextAttemptAt", lock_token as "lockToken", error_code as "errorCode", status`

export interface GatewayMessageInput {
  /** REQUEST-ID; with the path it makes the message one. */
  readonly requestId: string
  readonly path: string
  readonly bodyEnc: Uint8Array
  readonly hipId?: string
  readonly cmId?: string
  /** Never tokens: a row with one is refused. */
  readonly headers?: object
}

export const receiveCallbackSql = `select ${messageColumns}\nfrom abdm.receive_message($1, $2, $3, $4)`

/** Takes a callback in, once, to be worked on later; the call that it answers is acknowledged. */
export async function receiveCallback(
  tx: Transaction,
  input: GatewayMessageInput & { readonly responseTo?: string },
): Promise<GatewayMessage> {
  const { requestId, path, bodyEnc, ...details } = input
  return single(await tx.query<GatewayMessage>(receiveCallbackSql, [requestId, path, bodyEnc, toColumns(details)]))
}

export const queueGatewayCallSql = `select ${messageColumns}\nfrom abdm.queue_message($1, $2, $3, $4)`

/** Queues a call to the gateway, once. */
export async function queueGatewayCall(
  tx: Transaction,
  input: GatewayMessageInput & { readonly subjectType?: string; readonly subjectId?: string },
): Promise<GatewayMessage> {
  const { requestId, path, bodyEnc, ...details } = input
  return single(await tx.query<GatewayMessage>(queueGatewayCallSql, [requestId, path, bodyEnc, toColumns(details)]))
}

export interface ClaimGatewayMessagesInput {
  readonly direction: 'out' | 'in'
  /** Default 20. */
  readonly limit?: number
  /** Default 60. */
  readonly leaseSeconds?: number
}

export const claimGatewayMessagesSql = `select ${messageColumns}\nfrom abdm.claim_messages($1, $2, make_interval(secs => $3))`

/** Claims due messages; a lease that ran out was a failed attempt. */
export async function claimGatewayMessages(
  tx: Transaction,
  input: ClaimGatewayMessagesInput,
): Promise<GatewayMessage[]> {
  const { direction, limit = 20, leaseSeconds = 60 } = input
  return tx.query<GatewayMessage>(claimGatewayMessagesSql, [direction, limit, leaseSeconds])
}

type Claimed = Pick<GatewayMessage, 'id' | 'lockToken'>

export const completeGatewayMessageSql = `select ${messageColumns}\nfrom abdm.complete_message($1, $2, $3, $4, $5)`

/**
 * A claimed callback is done, or a claimed call was taken by the gateway.
 * @throws LeaseLostError (IM850)
 */
export async function completeGatewayMessage(
  tx: Transaction,
  message: Claimed,
  result: { readonly httpStatus?: number; readonly subjectType?: string; readonly subjectId?: string } = {},
): Promise<GatewayMessage> {
  const { httpStatus = null, subjectType = null, subjectId = null } = result
  const params = [message.id, message.lockToken, httpStatus, subjectType, subjectId]
  return single(await tx.query<GatewayMessage>(completeGatewayMessageSql, params))
}

export const retryGatewayMessageSql = `select ${messageColumns}\nfrom abdm.retry_message($1, $2, $3, $4)`

/**
 * A claimed message failed: it comes again later, and is failed after ten attempts.
 * @throws LeaseLostError (IM850)
 */
export async function retryGatewayMessage(
  tx: Transaction,
  message: Claimed,
  errorCode: string,
  httpStatus: number | null = null,
): Promise<GatewayMessage> {
  return single(
    await tx.query<GatewayMessage>(retryGatewayMessageSql, [message.id, message.lockToken, errorCode, httpStatus]),
  )
}

export const replayGatewayMessageSql = `select ${messageColumns}\nfrom abdm.replay_message($1)`

/**
 * A person puts a failed message back into the queue.
 * @throws NotFoundError (IM005) when it has not failed
 */
export async function replayGatewayMessage(tx: Transaction, messageId: string): Promise<GatewayMessage> {
  return single(await tx.query<GatewayMessage>(replayGatewayMessageSql, [messageId]))
}
