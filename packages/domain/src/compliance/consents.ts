import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

/** What a person permitted or denied. */
export interface Consent {
  readonly id: string
  readonly patientId: string
  readonly kind: ConsentKind
  readonly decision: 'permit' | 'deny'
  readonly givenBy: ConsentGiver
  readonly givenAt: Date
  readonly expiresAt: Date | null
  readonly withdrawnAt: Date | null
  readonly status: 'draft' | 'active' | 'rejected' | 'withdrawn' | 'expired' | 'superseded'
}

export type ConsentKind =
  | 'data_processing'
  | 'treatment'
  | 'surgery'
  | 'anaesthesia'
  | 'transfusion'
  | 'high_risk'
  | 'research'
  | 'telemedicine'
  | 'photography'
  | 'marketing'
  | 'abdm'
  | 'insurance_sharing'

export type ConsentGiver = 'patient' | 'guardian' | 'spouse' | 'lawful_representative' | 'emergency_doctrine'

const consentColumns = `
  id, patient_id as "patientId", kind, decision, given_by as "givenBy", given_at as "givenAt", expires_at as "expiresAt",
  withdrawn_at as "withdrawnAt", status`

export interface GiveConsentInput {
  readonly patientId: string
  readonly kind: ConsentKind
  /** Default: patient. */
  readonly givenBy?: ConsentGiver
  /** What data may be used for, within the purposes of the notice. */
  readonly purposes?: readonly string[]
  /** Default: permit. */
  readonly decision?: 'permit' | 'deny'
  readonly noticeId?: string
  /** The guardian or representative, a contact of the patient. */
  readonly contactId?: string
  readonly encounterId?: string
  /** Member of staff who explained it; required for procedures, as is the signed form. */
  readonly explainedBy?: string
  readonly witnessId?: string
  readonly documentId?: string
  readonly language?: string
  readonly expiresAt?: Date
  readonly evidence?: Readonly<Record<string, unknown>>
  /** Default: now. */
  readonly givenAt?: Date
  readonly id?: string
}

export const giveConsentSql = `
select ${consentColumns}
from compliance.give_consent(
  $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14::jsonb, coalesce($15::timestamptz, now()), $16
)`

/**
 * Records a consent, in force at once; to data processing and marketing only when it is the newest word.
 * @throws NotFoundError (IM005), IdempotencyKeyReusedError (IM011), GuardianRequiredError (IM913),
 *   NoticeDoesNotCoverError (IM914), CheckViolationError when given in the future
 */
export async function giveConsent(tx: Transaction, input: GiveConsentInput): Promise<Consent> {
  const rows = await tx.query<Consent>(giveConsentSql, [
    input.patientId,
    input.kind,
    input.givenBy ?? 'patient',
    input.purposes ?? [],
    input.decision ?? 'permit',
    input.noticeId ?? null,
    input.contactId ?? null,
    input.encounterId ?? null,
    input.explainedBy ?? null,
    input.witnessId ?? null,
    input.documentId ?? null,
    input.language ?? null,
    input.expiresAt ?? null,
    input.evidence ?? null,
    input.givenAt ?? null,
    input.id ?? null,
  ])
  return single(rows)
}

export const withdrawConsentSql = `select ${consentColumns} from compliance.withdraw_consent($1, $2)`

/**
 * The person takes a consent back; what rested on it stops at once. Nobody has to say why.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function withdrawConsent(tx: Transaction, consentId: string, reason?: string): Promise<Consent> {
  return single(await tx.query<Consent>(withdrawConsentSql, [consentId, reason ?? null]))
}

export const expireGivenConsentsSql = `select compliance.expire_consents($1) as expired`

/** Job: ends consents whose time is over; returns how many. */
export async function expireGivenConsents(tx: Transaction, limit = 500): Promise<number> {
  return single(await tx.query<{ expired: number }>(expireGivenConsentsSql, [limit])).expired
}

export const activeConsentSql = `select compliance.active_consent($1, $2, $3) as id`

/** Id of the consent that is in force, for one purpose where it is given; null without, or after a newer denial. */
export async function activeConsent(
  tx: Transaction,
  patientId: string,
  kind: ConsentKind,
  purpose?: string,
): Promise<string | null> {
  return single(await tx.query<{ id: string | null }>(activeConsentSql, [patientId, kind, purpose ?? null])).id
}
