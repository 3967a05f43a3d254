import type { Transaction } from '@imhotep/postgres'
import { single, toColumns } from '../rows.ts'

/** What is known of a person. Contact data comes encrypted, with a blind index where equality is searched. */
export interface Demographics {
  /** Default: the next number of series mrn. */
  readonly mrn?: string
  readonly givenName: string
  readonly middleName?: string
  readonly familyName?: string
  readonly sex?: 'male' | 'female' | 'other' | 'unknown'
  readonly genderIdentity?: string
  /** Calendar date, YYYY-MM-DD. */
  readonly birthDate: string
  readonly birthDatePrecision?: 'day' | 'month' | 'year'
  readonly deceasedAt?: Date
  readonly bloodGroup?: string
  readonly maritalStatus?: string
  readonly language?: string
  readonly nationality?: string
  readonly mobileEnc?: Uint8Array
  readonly mobileBidx?: Uint8Array
  readonly emailEnc?: Uint8Array
  readonly emailBidx?: Uint8Array
  readonly addressEnc?: Uint8Array
  readonly pinCode?: string
  readonly stateCode?: string
  /** Code of the district in the Indian Local Government Directory. */
  readonly districtLgd?: number
  /** Envelope of further encrypted values. */
  readonly phiEnc?: object
  readonly dataKeyKid?: string
  readonly emrSystem?: 'EPIC' | 'CERNER' | 'GENERIC_FHIR' | 'INTERNAL'
  readonly emrId?: string
  readonly portalUserId?: string
  readonly registeredClinicId: string
  readonly isVip?: boolean
}

export interface PatientIdentifier {
  readonly kind: string
  /** Naming system of the value (FHIR Identifier.system). */
  readonly systemUri: string
  readonly valueEnc: Uint8Array
  readonly valueBidx: Uint8Array
  readonly valueLast4?: string
  readonly assigner?: string
  readonly verifiedAt?: Date
  readonly verificationMethod?: string
  readonly isPrimary?: boolean
}

export interface RegisterPatientInput {
  readonly demographics: Demographics
  readonly identifiers?: readonly PatientIdentifier[]
  /** Idempotency key: the same key and content gives the same answer. */
  readonly key?: string
  /** Registers a likely duplicate all the same, for this reason. */
  readonly forceReason?: string
}

export interface PatientCandidate {
  readonly patientId: string
  /** 0 to 1. */
  readonly score: number
  readonly reasons: readonly string[]
}

export interface RegisterPatientResult {
  readonly outcome: 'registered' | 'likely_duplicate'
  readonly patientId: string | null
  readonly mrn: string | null
  readonly candidates: readonly PatientCandidate[]
  /** IM211 for a likely duplicate. */
  readonly failureCode: string | null
}

interface RegisterRow extends Omit<RegisterPatientResult, 'candidates'> {
  readonly candidates: readonly { patient_id: string; score: number; reasons: string[] }[]
}

export const registerPatientSql = `
select outcome, patient_id as "patientId", mrn, candidates, failure_code as "failureCode"
from patient.register($1::jsonb, $2::jsonb, $3, $4, $5)`

/**
 * Registers a person, or returns the records that are likely the same person and writes nothing.
 * @throws ReasonRequiredError (IM002), NotFoundError (IM005) no such clinic, NotPermittedError (IM006) clinic closed,
 * RequestInProgressError (IM010), IdempotencyKeyReusedError (IM011), DuplicateIdentifierError (IM210),
 * InvalidPatientDataError (IM212), SeriesNotConfiguredError (IM551)
 */
export async function registerPatient(tx: Transaction, input: RegisterPatientInput): Promise<RegisterPatientResult> {
  const { demographics, identifiers = [], key = null, forceReason = null } = input
  const rows = await tx.query<RegisterRow>(registerPatientSql, [
    toColumns(demographics),
    JSON.stringify(identifiers.map((identifier) => toIdentifierColumns(identifier))),
    key,
    forceReason !== null,
    forceReason,
  ])
  const row = single(rows)
  const candidates = row.candidates.map(({ patient_id, score, reasons }) => ({ patientId: patient_id, score, reasons }))
  return { ...row, candidates }
}

export const addIdentifierSql = 'select patient.add_identifier($1, $2::jsonb) as id'

/**
 * Gives a patient an identifier and returns its row's id; giving it twice changes nothing.
 * @throws NotFoundError (IM005), DuplicateIdentifierError (IM210)
 */
export async function addIdentifier(
  tx: Transaction,
  patientId: string,
  identifier: PatientIdentifier,
): Promise<string> {
  return single(await tx.query<{ id: string }>(addIdentifierSql, [patientId, toIdentifierColumns(identifier)])).id
}

function toIdentifierColumns(identifier: PatientIdentifier): Record<string, unknown> {
  const { valueLast4, ...rest } = identifier
  // the digit of last4 is part of the word
  return { ...toColumns(rest), ...toColumns(valueLast4 === undefined ? {} : { value_last4: valueLast4 }) }
}
