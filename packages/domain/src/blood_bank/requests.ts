import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { type BloodComponent, type BloodRequest, type BloodUrgency, requestColumns } from './rows-of-units.ts'

export interface RequestBloodInput {
  readonly patientId: string
  readonly encounterId: string
  readonly component: BloodComponent
  /** 1 to 40. */
  readonly units: number
  readonly indication: string
  /** Doctor. */
  readonly requestedBy: string
  /** Default routine. */
  readonly urgency?: BloodUrgency
  /** Default: now. */
  readonly requiredBy?: Date
  /** g/dL. */
  readonly hbGDl?: number
  readonly sampleId?: string
  readonly consentId?: string
  readonly serviceRequestId?: string
  /** 8 to 200 characters, the same for every repetition. */
  readonly key?: string
}

export const requestBloodSql = `select ${requestColumns}\nfrom blood_bank.request_blood($1, $2, $3, $4, $5, $6, $7, coalesce($8, now()), $9, $10, $11, $12, $13)`

/**
 * A doctor asks for units of a component for a patient. The same key and content, the same request.
 * @throws NotFoundError (IM005), NotPermittedError (IM006), RequestInProgressError (IM010),
 * IdempotencyKeyReusedError (IM011), CrossmatchError (IM353)
 */
export async function requestBlood(tx: Transaction, input: RequestBloodInput): Promise<BloodRequest> {
  return single(
    await tx.query<BloodRequest>(requestBloodSql, [
      input.patientId,
      input.encounterId,
      input.component,
      input.units,
      input.indication,
      input.requestedBy,
      input.urgency ?? 'routine',
      input.requiredBy ?? null,
      input.hbGDl ?? null,
      input.sampleId ?? null,
      input.consentId ?? null,
      input.serviceRequestId ?? null,
      input.key ?? null,
    ]),
  )
}

export const orderEmergencyReleaseSql = `select ${requestColumns}\nfrom blood_bank.order_emergency_release($1, $2, $3)`

/**
 * A named doctor takes the responsibility for units without a compatible crossmatch.
 * @throws ReasonRequiredError (IM002), NotFoundError (IM005), RequestTakesNoMoreError (IM360)
 */
export async function orderEmergencyRelease(
  tx: Transaction,
  requestId: string,
  doctorId: string,
  reason: string,
): Promise<BloodRequest> {
  return single(await tx.query<BloodRequest>(orderEmergencyReleaseSql, [requestId, doctorId, reason]))
}

export const acceptRequestSql = `select ${requestColumns}\nfrom blood_bank.accept_request($1)`

/**
 * The blood bank takes a request on.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), CrossmatchError (IM353)
 */
export async function acceptRequest(tx: Transaction, requestId: string): Promise<BloodRequest> {
  return single(await tx.query<BloodRequest>(acceptRequestSql, [requestId]))
}

export const rejectRequestSql = `select ${requestColumns}\nfrom blood_bank.reject_request($1, $2)`

/**
 * The blood bank does not take a request on.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function rejectRequest(tx: Transaction, requestId: string, reason: string): Promise<BloodRequest> {
  return single(await tx.query<BloodRequest>(rejectRequestSql, [requestId, reason]))
}

export const cancelRequestSql = `select ${requestColumns}\nfrom blood_bank.cancel_request($1, $2)`

/**
 * A request of which nothing is issued is not needed any more.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function cancelRequest(tx: Transaction, requestId: string, reason: string): Promise<BloodRequest> {
  return single(await tx.query<BloodRequest>(cancelRequestSql, [requestId, reason]))
}

export const closeRequestSql = `select ${requestColumns}\nfrom blood_bank.close_request($1, $2)`

/**
 * No more units are needed than were issued.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function closeRequest(tx: Transaction, requestId: string, reason: string): Promise<BloodRequest> {
  return single(await tx.query<BloodRequest>(closeRequestSql, [requestId, reason]))
}
