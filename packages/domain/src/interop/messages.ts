import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { type AckCode, type Hl7Message, messageColumns, type MessageDirection } from './rows.ts'

export interface RecordMessageInput {
  readonly endpointId: string
  /** MSH-10. */
  readonly controlId: string
  /** MSH-9.1, such as ADT. */
  readonly messageType: string
  /** MSH-9.2, such as A01. */
  readonly triggerEvent: string
  /** The message, encrypted by the caller. */
  readonly rawEnc: Uint8Array
  /** SHA-256 of the message before it was encrypted. */
  readonly rawHash: Uint8Array
  /** MSH-7. Default: now. */
  readonly messageAt?: Date
  /** MSH-12. Default 2.5.1. */
  readonly versionId?: string
  /** MSH-11. Default P. */
  readonly processingId?: 'P' | 'T' | 'D'
}

export const recordMessageSql = `select ${messageColumns}\nfrom interop.record_message($1, $2, $3, $4, $5, $6, coalesce($7, now()), $8, $9)`

/**
 * Takes a message in, once. Delivered again: the same row, with the answer that it has.
 * @throws NotFoundError (IM005), RequestInProgressError (IM010), ControlIdReusedError (IM801),
 * EndpointNotActiveError (IM802)
 */
export async function recordMessage(tx: Transaction, input: RecordMessageInput): Promise<Hl7Message> {
  return single(
    await tx.query<Hl7Message>(recordMessageSql, [
      input.endpointId,
      input.controlId,
      input.messageType,
      input.triggerEvent,
      input.rawEnc,
      input.rawHash,
      input.messageAt ?? null,
      input.versionId ?? '2.5.1',
      input.processingId ?? 'P',
    ]),
  )
}

export interface QueueMessageInput {
  readonly endpointId: string
  /** MSH-10. */
  readonly controlId: string
  /** MSH-9.1, such as ADT. */
  readonly messageType: string
  /** MSH-9.2, such as A01. */
  readonly triggerEvent: string
  /** The message, encrypted by the caller. */
  readonly rawEnc: Uint8Array
  /** SHA-256 of the message before it was encrypted. */
  readonly rawHash: Uint8Array
  readonly patientId?: string
  /** Table of the row that the message is about. */
  readonly subjectType?: string
  readonly subjectId?: string
  /** MSH-7. Default: now. */
  readonly messageAt?: Date
  /** MSH-12. Default 2.5.1. */
  readonly versionId?: string
  /** MSH-11. Default P. */
  readonly processingId?: 'P' | 'T' | 'D'
}

export const queueMessageSql = `select ${messageColumns}\nfrom interop.queue_message($1, $2, $3, $4, $5, $6, $7, $8, $9, coalesce($10, now()), $11, $12)`

/**
 * Queues a message to be sent, once.
 * @throws NotFoundError (IM005), RequestInProgressError (IM010), ControlIdReusedError (IM801),
 * EndpointNotActiveError (IM802)
 */
export async function queueMessage(tx: Transaction, input: QueueMessageInput): Promise<Hl7Message> {
  return single(
    await tx.query<Hl7Message>(queueMessageSql, [
      input.endpointId,
      input.controlId,
      input.messageType,
      input.triggerEvent,
      input.rawEnc,
      input.rawHash,
      input.patientId ?? null,
      input.subjectType ?? null,
      input.subjectId ?? null,
      input.messageAt ?? null,
      input.versionId ?? '2.5.1',
      input.processingId ?? 'P',
    ]),
  )
}

export interface ClaimMessagesInput {
  readonly direction: MessageDirection
  /** 1 to 1000. Default 20. */
  readonly limit?: number
  /** 1 to 3600. Default 60. */
  readonly leaseSeconds?: number
}

export const claimMessagesSql = `select ${messageColumns}\nfrom interop.claim_messages($1, $2, make_interval(secs => $3))`

/**
 * Gives a worker due messages and hides them from others for a while. A message may be processed twice when a
 * worker dies; the steps after it answer the same when they are repeated.
 */
export async function claimMessages(tx: Transaction, input: ClaimMessagesInput): Promise<Hl7Message[]> {
  return tx.query<Hl7Message>(claimMessagesSql, [input.direction, input.limit ?? 20, input.leaseSeconds ?? 60])
}

export const parseMessageSql = `select ${messageColumns}\nfrom interop.parse_message($1, $2, $3)`

/**
 * Stores the segments, and the patient once matched.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function parseMessage(
  tx: Transaction,
  messageId: string,
  parsedEnc: Uint8Array,
  patientId?: string,
): Promise<Hl7Message> {
  return single(await tx.query<Hl7Message>(parseMessageSql, [messageId, parsedEnc, patientId ?? null]))
}

export interface ApplyMessageInput {
  readonly messageId: string
  /** Table of the row that it made or changed. */
  readonly subjectType: string
  readonly subjectId: string
  readonly patientId?: string
}

export const applyMessageSql = `select ${messageColumns}\nfrom interop.apply_message($1, $2, $3, $4)`

/**
 * The message has become a row, in the same transaction; it is answered with AA.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), MessageUnknownError (IM800)
 */
export async function applyMessage(tx: Transaction, input: ApplyMessageInput): Promise<Hl7Message> {
  return single(
    await tx.query<Hl7Message>(applyMessageSql, [
      input.messageId,
      input.subjectType,
      input.subjectId,
      input.patientId ?? null,
    ]),
  )
}

export const ignoreMessageSql = `select ${messageColumns}\nfrom interop.ignore_message($1, $2)`

/**
 * Understood, and nothing is to be done; it is answered with AA.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function ignoreMessage(tx: Transaction, messageId: string, reason: string): Promise<Hl7Message> {
  return single(await tx.query<Hl7Message>(ignoreMessageSql, [messageId, reason]))
}

export interface FailMessageInput {
  readonly messageId: string
  readonly error: string
  /** ERR segments. */
  readonly errorSegments?: readonly unknown[]
  /** Do not try again. */
  readonly permanent?: boolean
}

export const failMessageSql = `select ${messageColumns}\nfrom interop.fail_message($1, $2, $3::jsonb, $4)`

/**
 * Processing or sending failed: it is tried again later, or dead after some attempts. The error names fields,
 * never their values.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function failMessage(tx: Transaction, input: FailMessageInput): Promise<Hl7Message> {
  return single(
    await tx.query<Hl7Message>(failMessageSql, [
      input.messageId,
      input.error,
      input.errorSegments === undefined ? null : JSON.stringify(input.errorSegments),
      input.permanent ?? false,
    ]),
  )
}

export interface RejectMessageInput {
  readonly messageId: string
  readonly error: string
  /** ERR segments. */
  readonly errorSegments?: readonly unknown[]
}

export const rejectMessageSql = `select ${messageColumns}\nfrom interop.reject_message($1, $2, $3::jsonb)`

/**
 * The message cannot be read, and will not when it is repeated; it is answered with AR.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function rejectMessage(tx: Transaction, input: RejectMessageInput): Promise<Hl7Message> {
  return single(
    await tx.query<Hl7Message>(rejectMessageSql, [
      input.messageId,
      input.error,
      input.errorSegments === undefined ? null : JSON.stringify(input.errorSegments),
    ]),
  )
}

export const replayMessageSql = `select ${messageColumns}\nfrom interop.replay_message($1)`

/**
 * Tries a failed message again as a new row. Asked again while it lives: the same one.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function replayMessage(tx: Transaction, messageId: string): Promise<Hl7Message> {
  return single(await tx.query<Hl7Message>(replayMessageSql, [messageId]))
}

export const markSentSql = `select ${messageColumns}\nfrom interop.mark_sent($1)`

/**
 * The message has left; the answer is awaited.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function markSent(tx: Transaction, messageId: string): Promise<Hl7Message> {
  return single(await tx.query<Hl7Message>(markSentSql, [messageId]))
}

export const recordAckSql = `select ${messageColumns}\nfrom interop.record_ack($1, $2, $3)`

/**
 * The answer to a message that was sent: AA and CA end it, AE and CE have it sent again later, AR and CR end it as
 * dead.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function recordAck(
  tx: Transaction,
  messageId: string,
  ackCode: AckCode,
  ackText?: string,
): Promise<Hl7Message> {
  return single(await tx.query<Hl7Message>(recordAckSql, [messageId, ackCode, ackText ?? null]))
}
