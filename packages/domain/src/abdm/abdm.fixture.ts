import { createHash, randomInt, randomUUID } from 'node:crypto'
import { withTenant } from '@imhotep/kernel'
import type { Database } from '@imhotep/postgres'
import { addPatient, digest, type Hospital } from '../hospital.fixture.ts'
import type { AbhaAccount } from './abha.ts'
import { addCareContext, type CareContext } from './care-context.ts'
import { ingestConsent, type ConsentArtefact, type ConsentMessage } from './consent.ts'
import { openSession, type DataSession, type OpenSessionInput } from './data-flow.ts'
import { linkAbha } from './link-abha.ts'
import { linkCareContexts, recordLinkResult, requestLinkToken, storeLinkToken } from './linking.ts'
import { recordEnrolment, startRegistration, type VerifiedAccount } from './register-abha.ts'

export const hipId = 'IN2910000001'

/** Registers the hospital's clinic as information provider and user. */
export async function registerFacility({ tenant, clinicId, run }: Hospital): Promise<void> {
  await run(async (tx) => {
    await tx.query(
      `insert into abdm.facility_registrations (tenant_id, clinic_id, role, hfr_id, network_id, callback_url, environment)
       values ($1, $2, 'HIP_HIU', 'HFR-1', $3, 'https://hospital.example.org/abdm', 'sandbox')`,
      [tenant, clinicId, hipId],
    )
    await tx.query(`update abdm.facility_registrations set status = 'registered'`)
    await tx.query(`update abdm.facility_registrations set status = 'active'`)
  })
}

/** Runs statements in the tenant that no application may send. */
export function asSuperuser<T extends object>(
  { admin, tenant, users }: Hospital,
  sql: string,
  params: unknown[] = [],
): Promise<T[]> {
  return withTenant(admin, { tenant, user: users[0], role: 'admin', purpose: 'HOPERAT' }, (tx) =>
    tx.query<T>(sql, params),
  )
}

/** What ABDM says of a person; by default somebody new whom no patient resembles. */
export function accountOf(name: string, changes: Partial<VerifiedAccount> = {}): VerifiedAccount {
  const handle = `p${randomUUID().slice(0, 8)}`
  const digits = `91${String(randomInt(1e12)).padStart(12, '0')}`
  return {
    abhaNumberEnc: Buffer.from('ciphertext'),
    abhaNumberBidx: digest(digits),
    abhaNumberLast4: digits.slice(-4),
    abhaAddress: `${handle}@sbx`,
    profileEnc: Buffer.from('ciphertext'),
    name,
    sex: 'unknown',
    birthYear: 1980,
    ...changes,
  }
}

/** An account that was verified by scan and share, not linked yet. */
export async function verifiedAccount(
  { run, clinicId }: Hospital,
  name: string,
  changes: Partial<VerifiedAccount> = {},
): Promise<AbhaAccount> {
  return run(async (tx) => {
    const input = { requestId: randomUUID(), purpose: 'link', method: 'scan_share', clinicId } as const
    const { id } = await startRegistration(tx, input)
    return recordEnrolment(tx, id, accountOf(name, changes))
  })
}

export interface LinkedPatient {
  readonly patientId: string
  readonly account: AbhaAccount
}

/** A new patient with a linked ABHA. */
export async function linkedPatient(
  hospital: Hospital,
  name: string,
  birthDate = '1980-01-01',
): Promise<LinkedPatient> {
  const patientId = await addPatient(hospital, name, birthDate)
  const { id } = await verifiedAccount(hospital, name)
  const account = await hospital.run((tx) => linkAbha(tx, { patientId, accountId: id }))
  return { patientId, account }
}

/** A care context of some row of the record. */
export function newContext(
  { run }: Hospital,
  patientId: string,
  hiType = 'Prescription',
  recordDate = '2026-01-15',
): Promise<CareContext> {
  return run((tx) =>
    addCareContext(tx, {
      patientId,
      hiType,
      sourceType: 'medication.prescriptions',
      sourceId: randomUUID(),
      recordDate,
    }),
  )
}

/** Gets the patient a link token that lives an hour. */
export async function giveLinkToken({ run }: Hospital, patientId: string): Promise<void> {
  const requestId = randomUUID()
  const expiresAt = new Date(Date.now() + 3_600_000)
  await run(async (tx) => {
    await requestLinkToken(tx, { requestId, patientId })
    await storeLinkToken(tx, { requestId, tokenEnc: Buffer.from('token'), expiresAt })
  })
}

/** Contexts of a patient that are linked. */
export async function linkedContexts(
  hospital: Hospital,
  patientId: string,
  hiTypes: readonly string[],
): Promise<CareContext[]> {
  await giveLinkToken(hospital, patientId)
  const contexts: CareContext[] = []
  for (const hiType of hiTypes) contexts.push(await newContext(hospital, patientId, hiType))
  const requestId = randomUUID()
  const contextIds = contexts.map(({ id }) => id)
  await hospital.run(async (tx) => {
    await linkCareContexts(tx, { requestId, patientId, contextIds })
    await recordLinkResult(tx, requestId)
  })
  return contexts
}

/** An artefact as provider, over the year 2026, used once an hour, erased in a month. */
export function artefactOf(
  abhaAddress: string,
  contexts: readonly CareContext[],
  changes: Partial<ConsentArtefact> = {},
): ConsentArtefact {
  return {
    artefactId: randomUUID(),
    abhaAddress,
    hipId,
    hiuId: 'IN0000000002',
    consentManagerId: 'sbx',
    purpose: 'CAREMGT',
    hiTypes: ['Prescription', 'DischargeSummary'],
    accessMode: 'VIEW',
    dataFrom: new Date('2026-01-01'),
    dataTo: new Date('2026-12-31'),
    dataEraseAt: new Date(Date.now() + 30 * 86_400_000),
    frequencyUnit: 'HOUR',
    frequencyValue: 1,
    frequencyRepeats: 0,
    detail: { consentId: 'as signed' },
    signature: 'c2lnbmF0dXJl',
    signatureValid: true,
    careContexts: contexts.map(({ patientReference, reference }) => ({
      patientReference,
      careContextReference: reference,
    })),
    ...changes,
  }
}

export function ingest({ run }: Hospital, message: ConsentMessage, requestId: string = randomUUID()) {
  return run((tx) => ingestConsent(tx, requestId, message))
}

export async function grant({ run }: Hospital, artefact: ConsentArtefact, role: 'HIP' | 'HIU' = 'HIP'): Promise<void> {
  await run((tx) => ingestConsent(tx, randomUUID(), { role, status: 'GRANTED', artefact }))
}

/** A session that asks for the first half of 2026. */
export function newSession(
  { run }: Hospital,
  artefactId: string,
  changes: Partial<OpenSessionInput> = {},
): Promise<DataSession> {
  return run((tx) =>
    openSession(tx, {
      role: 'HIP',
      requestId: randomUUID(),
      artefactId,
      dataFrom: new Date('2026-01-01'),
      dataTo: new Date('2026-06-30'),
      dataPushUrl: 'https://hiu.example.org/push',
      peerPublicKey: 'key',
      peerNonce: 'nonce',
      ownPrivateKeyEnc: Buffer.from('ciphertext'),
      ...changes,
    }),
  )
}

/** The hash of an OTP as the application makes it. */
export function otpHash(linkRefNumber: string, otp: string): Buffer {
  return createHash('sha256').update(`${linkRefNumber}:${otp}`).digest()
}

/** Where compliance does not hold its part yet: nothing is under a legal hold. */
export async function withoutLegalHolds(admin: Database): Promise<void> {
  await admin.query(`
    do $$
    begin
      if to_regprocedure('compliance.is_under_hold(text, text, uuid, uuid)') is null then
        create function compliance.is_under_hold(text, text, uuid, uuid) returns boolean language sql return false;
        grant execute on function compliance.is_under_hold(text, text, uuid, uuid) to fhir_owner;
      end if;
    end
    $$`)
}
