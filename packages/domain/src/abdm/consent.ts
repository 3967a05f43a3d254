import type { Transaction } from '@imhotep/postgres'
import { single, toColumns } from '../rows.ts'

export type ConsentPurpose = 'CAREMGT' | 'BTG' | 'PUBHLTH' | 'HPAYMT' | 'DSRCH' | 'PATRQT'

/** What a consent permits. */
export interface ConsentPermission {
  readonly purpose: ConsentPurpose
  readonly hiTypes: readonly string[]
  readonly accessMode?: 'VIEW' | 'STORE' | 'QUERY' | 'STREAM'
  readonly dataFrom: Date
  readonly dataTo: Date
  /** Nothing moves from then on, and what moved is erased. */
  readonly dataEraseAt: Date
  readonly frequencyUnit?: 'HOUR' | 'DAY' | 'WEEK' | 'MONTH' | 'YEAR'
  readonly frequencyValue?: number
  /** Transfers that a window allows beyond the first. */
  readonly frequencyRepeats?: number
}

export interface ConsentRequest {
  readonly id: string
  readonly requestId: string
  readonly consentRequestId: string | null
  readonly patientId: string
  readonly abhaAddress: string
  readonly decidedAt: Date | null
  readonly status: 'draft' | 'requested' | 'granted' | 'denied' | 'expired' | 'revoked' | 'failed'
}

const requestColumns = `
  id, request_id as "requestId", consent_request_id as "consentRequestId", patient_id as "patientId",
  abha_address as "abhaAddress", decided_at as "decidedAt", status`

export interface RequestConsentInput extends ConsentPermission {
  /** REQUEST-ID of the call; the same one again is the same request. */
  readonly requestId: string
  readonly patientId: string
  /** Default: the patient's linked address. */
  readonly abhaAddress?: string
  readonly hiuId: string
  readonly hipId?: string
  /** The clinician's number with the medical council. */
  readonly requesterRegistration: string
}

export const requestConsentSql = `select ${requestColumns}\nfrom abdm.request_consent($1)`

/**
 * The signed-in clinician asks for a consent; a draft until the consent manager took it.
 * @throws NotFoundError (IM005), NotPermittedError (IM006), IdempotencyKeyReusedError (IM011)
 */
export async function requestConsent(tx: Transaction, input: RequestConsentInput): Promise<ConsentRequest> {
  return single(await tx.query<ConsentRequest>(requestConsentSql, [toColumns(input)]))
}

export const recordConsentRequestSql = `select ${requestColumns}\nfrom abdm.record_consent_request($1, $2, $3)`

/**
 * The consent manager took the request and gave it an id, or refused it with a code. The first answer stands.
 * @throws NotFoundError (IM005)
 */
export async function recordConsentRequest(
  tx: Transaction,
  input: { readonly requestId: string; readonly consentRequestId?: string; readonly errorCode?: string },
): Promise<ConsentRequest> {
  const { requestId, consentRequestId = null, errorCode = null } = input
  return single(await tx.query<ConsentRequest>(recordConsentRequestSql, [requestId, consentRequestId, errorCode]))
}

/** A signed consent artefact, after its signature was checked. */
export interface ConsentArtefact extends ConsentPermission {
  readonly artefactId: string
  readonly abhaAddress: string
  readonly hipId: string
  readonly hiuId: string
  readonly consentManagerId: string
  readonly schemaVersion?: string
  readonly grantedAt?: Date
  /** The artefact's text as it was signed. */
  readonly detail: object
  readonly signature: string
  /** What the check against the consent manager's public key gave. */
  readonly signatureValid: boolean
  readonly careContexts: readonly { readonly patientReference: string; readonly careContextReference: string }[]
}

export interface ConsentMessage {
  /** Our side. */
  readonly role: 'HIP' | 'HIU'
  readonly status: 'GRANTED' | 'DENIED' | 'REVOKED' | 'EXPIRED'
  readonly consentRequestId?: string
  /** The artefact that ended; REVOKED needs it. */
  readonly artefactId?: string
  /** The artefact that was granted. */
  readonly artefact?: ConsentArtefact
}

export interface IngestedConsent {
  readonly outcome: 'granted' | 'invalid' | 'denied' | 'revoked' | 'expired'
  readonly artefactRowId: string | null
  readonly consentRowId: string | null
  /** IM714 when the signature was wrong: the artefact is kept as invalid. */
  readonly failureCode: string | null
}

export const ingestConsentSql = `
select
  outcome, artefact_row_id as "artefactRowId", consent_row_id as "consentRowId", failure_code as "failureCode"
from abdm.ingest_consent($1, $2)`

/**
 * A consent message of the gateway, once a REQUEST-ID. Revoking and expiring end sessions and make received data due for
 * erasure.
 * @throws NotFoundError (IM005), RequestInProgressError (IM010), IdempotencyKeyReusedError (IM011), ConsentSignatureError (IM714)
 */
export async function ingestConsent(
  tx: Transaction,
  requestId: string,
  message: ConsentMessage,
): Promise<IngestedConsent> {
  const artefact = message.artefact && {
    ...toColumns(message.artefact),
    care_contexts: message.artefact.careContexts.map(toColumns),
  }
  return single(await tx.query<IngestedConsent>(ingestConsentSql, [requestId, toColumns({ ...message, artefact })]))
}

export const expireConsentsSql = 'select abdm.expire_consents($1) as expired'

/** Ends up to `limit` consents whose dataEraseAt has passed (default 1000) and returns how many. For a job. */
export async function expireConsents(tx: Transaction, limit = 1000): Promise<number> {
  return single(await tx.query<{ expired: number }>(expireConsentsSql, [limit])).expired
}
