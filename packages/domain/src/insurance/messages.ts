import type { Transaction } from '@imhotep/postgres'
import { single, toColumns } from '../rows.ts'

/** An envelope of the claims exchange, kept as it was on the wire. */
export interface NhcxMessage {
  readonly id: string
  readonly direction: 'in' | 'out'
  readonly apiCallId: string
  readonly correlationId: string
  readonly status: 'pending' | 'processing' | 'sent' | 'completed' | 'failed'
  readonly errorCode: string | null
  readonly subjectId: string | null
  readonly attempts: number
  readonly rowVersion: number
}

const messageColumns = `
  id, direction, api_call_id as "apiCallId", correlation_id as "correlationId", status, error_code as "errorCode",
  subject_id as "subjectId", attempts, row_version as "rowVersion"`

export interface NhcxEnvelope {
  readonly apiPath: string
  readonly entity: string
  readonly apiCallId: string
  readonly requestId?: string
  readonly correlationId: string
  readonly workflowId?: string
  /** Participants end with @hcx. */
  readonly senderCode: string
  readonly recipientCode: string
  readonly hcxStatus: string
  readonly hcxTimestamp: Date
  readonly benAbhaBidx?: Uint8Array
  /** The JWE as it was on the wire. */
  readonly jweEnc: Uint8Array
  /** SHA-256 of the decrypted payload, or of the envelope where it could not be decrypted. */
  readonly payloadHash: Uint8Array
  readonly bundleDocumentId?: string
}

export const receiveMessageSql = `select ${messageColumns}\nfrom insurance.receive_message($1::jsonb)`

/**
 * Stores what came from the exchange; a repeat gives the stored message.
 * @throws IdempotencyKeyReusedError (IM011) the call id came with another payload
 */
export async function receiveMessage(tx: Transaction, envelope: NhcxEnvelope): Promise<NhcxMessage> {
  return single(await tx.query<NhcxMessage>(receiveMessageSql, [toColumns(envelope)]))
}

export interface MessageSubject {
  readonly type: 'insurance_claims' | 'eligibility_checks' | 'claim_payments'
  readonly id: string
}

export const queueNhcxMessageSql = `select ${messageColumns}\nfrom insurance.queue_message($1::jsonb, $2, $3)`

/**
 * Stores an envelope before it is sent, with the row that it is about.
 * @throws IdempotencyKeyReusedError (IM011) the call id has another payload
 */
export async function queueNhcxMessage(
  tx: Transaction,
  envelope: NhcxEnvelope,
  subject: MessageSubject,
): Promise<NhcxMessage> {
  return single(await tx.query<NhcxMessage>(queueNhcxMessageSql, [toColumns(envelope), subject.type, subject.id]))
}

export const markMessageSentSql = `select ${messageColumns}\nfrom insurance.mark_message_sent($1, $2)`

/**
 * The exchange took the message; its submission or check awaits the answer.
 * @throws NotFoundError (IM005)
 */
export async function markMessageSent(tx: Transaction, messageId: string, httpStatus: number): Promise<NhcxMessage> {
  return single(await tx.query<NhcxMessage>(markMessageSentSql, [messageId, httpStatus]))
}

export interface MarkMessageFailedInput {
  readonly messageId: string
  readonly errorCode: string
  readonly error?: object
  readonly httpStatus?: number
  /** Left out: it failed for good. */
  readonly retryAt?: Date
}

export const markMessageFailedSql = `
select ${messageColumns}
from insurance.mark_message_failed($1, $2, $3::jsonb, $4, $5)`

/**
 * The message could not be sent; for good, its submission becomes dispatch_failed.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function markMessageFailed(tx: Transaction, input: MarkMessageFailedInput): Promise<NhcxMessage> {
  const { messageId, errorCode, error = null, httpStatus = null, retryAt = null } = input
  return single(await tx.query<NhcxMessage>(markMessageFailedSql, [messageId, errorCode, error, httpStatus, retryAt]))
}
