import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

/** What a person asks for about their data. */
export interface DataRequest {
  readonly id: string
  readonly requestNumber: string
  readonly patientId: string | null
  readonly kind: DataRequestKind
  readonly receivedAt: Date
  readonly dueAt: Date
  readonly decision: 'granted' | 'partially_granted' | 'refused' | null
  readonly completedAt: Date | null
  readonly escalatedToBoard: boolean
  readonly status: 'received' | 'verifying' | 'in_progress' | 'on_hold' | 'completed' | 'rejected'
}

export type DataRequestKind =
  | 'access'
  | 'correction'
  | 'erasure'
  | 'portability'
  | 'nomination'
  | 'grievance'
  | 'record_copy'
  | 'disclosure_accounting'
  | 'restriction'

const requestColumns = `
  id, request_number as "requestNumber", patient_id as "patientId", kind, received_at as "receivedAt", due_at as "dueAt",
  decision, completed_at as "completedAt", escalated_to_board as "escalatedToBoard", status`

export interface OpenDataRequestInput {
  readonly kind: DataRequestKind
  /** desk, portal, email, post ... */
  readonly channel: string
  readonly requesterName: string
  /** What is asked, encrypted by the application. */
  readonly detailsEnc: Uint8Array
  readonly patientId?: string
  /** What the requester is to the patient, when it is somebody else. */
  readonly relationship?: string
  /** Default: now. The clock runs from then. */
  readonly receivedAt?: Date
  readonly id?: string
}

export const openDataRequestSql = `
select ${requestColumns}
from compliance.open_request($1, $2, $3, $4, $5, $6, coalesce($7::timestamptz, now()), $8)`

/**
 * A request was received.
 * @throws IdempotencyKeyReusedError (IM011)
 */
export async function openDataRequest(tx: Transaction, input: OpenDataRequestInput): Promise<DataRequest> {
  const rows = await tx.query<DataRequest>(openDataRequestSql, [
    input.kind,
    input.channel,
    input.requesterName,
    input.detailsEnc,
    input.patientId ?? null,
    input.relationship ?? null,
    input.receivedAt ?? null,
    input.id ?? null,
  ])
  return single(rows)
}

export const beginRequestCheckSql = `select ${requestColumns} from compliance.begin_request_check($1)`

/**
 * The signed-in user makes sure who asks.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function beginRequestCheck(tx: Transaction, requestId: string): Promise<DataRequest> {
  return single(await tx.query<DataRequest>(beginRequestCheckSql, [requestId]))
}

export const confirmRequesterSql = `select ${requestColumns} from compliance.confirm_requester($1, $2)`

/**
 * It is sure who asks, and about which patient: the request is handled, also again after it was on hold.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function confirmRequester(tx: Transaction, requestId: string, patientId?: string): Promise<DataRequest> {
  return single(await tx.query<DataRequest>(confirmRequesterSql, [requestId, patientId ?? null]))
}

export const holdDataRequestSql = `select ${requestColumns} from compliance.hold_request($1, $2)`

/**
 * Something is missing; the clock goes on.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function holdDataRequest(tx: Transaction, requestId: string, reason: string): Promise<DataRequest> {
  return single(await tx.query<DataRequest>(holdDataRequestSql, [requestId, reason]))
}

export const rejectDataRequestSql = `select ${requestColumns} from compliance.reject_request($1, $2)`

/**
 * It could not be made sure who asks.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function rejectDataRequest(tx: Transaction, requestId: string, reason: string): Promise<DataRequest> {
  return single(await tx.query<DataRequest>(rejectDataRequestSql, [requestId, reason]))
}

export interface CompleteDataRequestInput {
  readonly requestId: string
  readonly decision: 'granted' | 'partially_granted' | 'refused'
  /** The law that allows to refuse. */
  readonly refusalBasis?: string
  readonly responseDocumentId?: string
}

export const completeDataRequestSql = `select ${requestColumns} from compliance.complete_request($1, $2, $3, $4)`

/**
 * The request is answered. An erasure is granted by `runErasure` alone.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006)
 */
export async function completeDataRequest(tx: Transaction, input: CompleteDataRequestInput): Promise<DataRequest> {
  const { requestId, decision, refusalBasis = null, responseDocumentId = null } = input
  return single(
    await tx.query<DataRequest>(completeDataRequestSql, [requestId, decision, refusalBasis, responseDocumentId]),
  )
}

export const escalateDataRequestSql = `select ${requestColumns} from compliance.escalate_request($1)`

/**
 * The person went to the Data Protection Board.
 * @throws NotFoundError (IM005)
 */
export async function escalateDataRequest(tx: Transaction, requestId: string): Promise<DataRequest> {
  return single(await tx.query<DataRequest>(escalateDataRequestSql, [requestId]))
}
