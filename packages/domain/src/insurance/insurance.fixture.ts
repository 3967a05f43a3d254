import { randomUUID } from 'node:crypto'
import { after, before } from 'node:test'
import { withTenant, type RequestContext } from '@imhotep/kernel'
import type { Transaction } from '@imhotep/postgres'
import { addPatient, digest, withHospital, type Hospital } from '../hospital.fixture.ts'
import { beginAuthentication, completeAuthentication, type AuthenticationStage } from './authentication.ts'
import { registerCase, type PmjayCase } from './case.ts'
import type { InsuranceClaim } from './claim.ts'
import { verifyCoverage } from './coverage.ts'
import { attachDocument, reviewDocument } from './documents.ts'
import { draftClaim, type ClaimItem } from './draft-claim.ts'
import { applyEligibilityAnswer, askEligibility } from './eligibility.ts'
import { queueNhcxMessage, receiveMessage, type NhcxEnvelope } from './messages.ts'
import { applyPayerResponse, type AppliedResponse, type PayerResponse } from './payer-response.ts'
import { submitPreauth } from './submit.ts'

/** A payer of the scheme with a plan and a handful of packages, in a hospital. */
export interface Scheme {
  readonly hospital: Hospital
  readonly payerId: string
  readonly planId: string
  /** Ids of the packages by code. */
  readonly packages: Readonly<Record<PackageCode, string>>
}

/**
 * SG001 surgical, needs a paper before and one after, may be enhanced; SG002 surgical, may not; MG001 medical; IM001 with
 * implants and strata; CY001 in cycles; LB001 needs no approval.
 */
export type PackageCode = 'SG001' | 'SG002' | 'MG001' | 'IM001' | 'CY001' | 'LB001'

/** Names of people whom nobody resembles. */
const names = Array.from({ length: 26 }, (_, index) => `${String.fromCharCode(65 + index)}${'aeiou'[index % 5]}zyx`)
let people = 0

/** As superuser in the hospital's tenant, for rows that other modules' operations write. */
export function asAdmin<T>({ admin, tenant, users }: Hospital, work: (tx: Transaction) => Promise<T>): Promise<T> {
  const context: RequestContext = { tenant, user: users[0], role: 'doctor', purpose: 'TREAT' }
  return withTenant(admin, context, work)
}

/** One hospital with a scheme for all tests of a file; call the answer inside them. */
export function sharedScheme(): () => Scheme {
  let scheme: Scheme | undefined
  let release = (): void => undefined
  let finished: Promise<void> = Promise.resolve()
  before(async () => {
    await new Promise<void>((ready, failed) => {
      finished = withHospital(async (hospital) => {
        scheme = await openScheme(hospital)
        ready()
        await new Promise<void>((resolve) => (release = resolve))
      })
      finished.catch(failed)
    })
  })
  after(async () => {
    release()
    await finished
  })
  return () => {
    if (scheme === undefined) throw new Error('the hospital is not open')
    return scheme
  }
}

export async function openScheme(hospital: Hospital): Promise<Scheme> {
  const { tenant } = hospital
  const [payerId, planId, guidelineId] = [randomUUID(), randomUUID(), randomUUID()]
  const codes: readonly PackageCode[] = ['SG001', 'SG002', 'MG001', 'IM001', 'CY001', 'LB001']
  const packages = Object.fromEntries(codes.map((code) => [code, randomUUID()])) as Record<PackageCode, string>
  await asAdmin(hospital, async (tx) => {
    await tx.query(
      `insert into insurance.payers (tenant_id, id, code, name, kind, scheme, nhcx_participant_code, preauth_tat_minutes,
        query_response_hours, claim_submit_days, settle_days, portability_settle_days, backdate_days, rules_effective)
      values ($1, $2, $3, 'Scheme', 'government_scheme', 'PMJAY', 'scheme@hcx', 60, 24, 7, 15, 30, 5, '[2020-01-01,)')`,
      [tenant, payerId, `P-${payerId.slice(0, 4)}`],
    )
    await tx.query(
      `insert into insurance.insurance_plans (tenant_id, id, payer_id, plan_code, name, type_code, period, source)
      values ($1, $2, $3, 'PLAN', 'Plan', 'scheme', '[2020-01-01,)', 'manual')`,
      [tenant, planId, payerId],
    )
    await tx.query(`update insurance.insurance_plans set status = 'active' where id = $1`, [planId])
    await tx.query(
      `insert into insurance.benefit_packages (tenant_id, plan_id, id, package_code, name, specialty_code, procedure_type,
        base_rate, enhancement_allowed, approval_not_required, quantity_allowed, implant_applicable,
        multiple_implants_allowed, maximum_implants_allowed, stratification_allowed, cyclic_procedure,
        maximum_cycles_allowed, stg_code)
      values
        ($1, $2, $3, 'SG001', 'Surgery', 'SG', 'surgical', 10000, true, false, 1, false, false, null, false, false, null, $9),
        ($1, $2, $4, 'SG002', 'Surgery', 'SG', 'surgical', 5000, false, false, null, false, false, null, false, false, null, null),
        ($1, $2, $5, 'MG001', 'Medicine', 'MG', 'medical', 2000, true, false, null, false, false, null, false, false, null, null),
        ($1, $2, $6, 'IM001', 'Implant', 'SG', 'implant', 3000, true, false, null, true, true, 2, true, false, null, null),
        ($1, $2, $7, 'CY001', 'Cycle', 'MO', 'follow_up', 1000, true, false, null, false, false, null, false, true, 3, null),
        ($1, $2, $8, 'LB001', 'Test', 'LB', 'investigation', 500, true, true, null, false, false, null, false, false, null, null)`,
      [tenant, planId, ...codes.map((code) => packages[code]), `STG-${guidelineId.slice(0, 4)}`],
    )
    await tx.query(
      `insert into clinical.stg_guidelines (tenant_id, id, code, version, title, specialty, source_uri, effective)
      values ($1, $2, $3, '1', 'Surgery', 'SG', 'https://example.org/stg', '[2020-01-01,)')`,
      [tenant, guidelineId, `STG-${guidelineId.slice(0, 4)}`],
    )
    await tx.query(
      `insert into clinical.stg_criteria (tenant_id, guideline_id, seq, stage, kind, code, text, document_type)
      values ($1, $2, 1, 'preauth', 'document', 'ULTRASOUND', 'Ultrasound report', 'ultrasound'),
        ($1, $2, 1, 'claim', 'document', 'OT_NOTE', 'Note of the operation', 'ot_note')`,
      [tenant, guidelineId],
    )
    await tx.query(`update clinical.stg_guidelines set status = 'active' where id = $1`, [guidelineId])
  })
  return { hospital, payerId, planId, packages }
}

export interface Beneficiary {
  readonly patientId: string
  readonly encounterId: string
  readonly coverageId: string
}

export interface BeneficiaryOptions {
  readonly balance?: number
  /** Members of one family share a wallet. */
  readonly family?: string
}

/** A patient in a stay, with an active coverage whose eligibility was answered a moment ago. */
export async function addBeneficiary(scheme: Scheme, options: BeneficiaryOptions = {}): Promise<Beneficiary> {
  const { hospital, payerId, planId } = scheme
  const { balance = 100_000, family } = options
  const name = `${names[people % 26]}${names[Math.floor(people / 26) % 26]}`
  const patientId = await addPatient(hospital, name, `19${String(40 + (people++ % 60)).padStart(2, '0')}-01-01`)
  const encounterId = await addStay(hospital, patientId)
  const coverageId = randomUUID()
  const familyHash = family === undefined ? null : digest(family)
  await hospital.run(async (tx) => {
    await tx.query(
      `insert into insurance.coverages (tenant_id, id, patient_id, payer_id, plan_id, member_id_enc, member_id_bidx,
        family_id_enc, family_id_bidx, subscriber_relationship, period)
      values ($1, $2, $3, $4, $5, '\\x01', $6, $7, $7, 'self', '[2020-01-01,)')`,
      [hospital.tenant, coverageId, patientId, payerId, planId, digest(coverageId), familyHash],
    )
    await verifyCoverage(tx, coverageId, 'card')
    const { correlationId } = await askEligibility(tx, { payerId, patientId, coverageId, encounterId })
    await applyEligibilityAnswer(tx, correlationId, { outcome: 'complete', inforce: true, balance })
  })
  return { patientId, encounterId, coverageId }
}

async function addStay(hospital: Hospital, patientId: string): Promise<string> {
  const encounterId = randomUUID()
  await asAdmin(hospital, (tx) =>
    tx.query(
      `insert into clinical.encounters
        (tenant_id, id, encounter_number, patient_id, clinic_id, department_id, class, payer_class, period)
      values ($1, $2, $3, $4, $5, $6, 'IMP', 'pmjay', tstzrange(now() - interval '2 days', null))`,
      [hospital.tenant, encounterId, `E-${encounterId}`, patientId, hospital.clinicId, hospital.departmentId],
    ),
  )
  return encounterId
}

export const caseInput = {
  hospitalCode: 'HOSP1',
  homeState: 'KA',
  treatingState: 'KA',
  admissionType: 'planned',
} as const

/** A registered case whose beneficiary was authenticated. */
export async function openCase(scheme: Scheme, beneficiary: Beneficiary): Promise<PmjayCase> {
  const { encounterId, coverageId } = beneficiary
  const opened = await scheme.hospital.run((tx) => registerCase(tx, { ...caseInput, encounterId, coverageId }))
  await authenticate(scheme, beneficiary, 'preauthorization')
  return opened
}

export async function authenticate(
  scheme: Scheme,
  { encounterId }: Beneficiary,
  stage: AuthenticationStage,
): Promise<void> {
  await scheme.hospital.run(async (tx) => {
    const { payerId } = scheme
    const begun = await beginAuthentication(tx, { encounterId, payerId, stage, method: 'face', txnId: randomUUID() })
    await completeAuthentication(tx, { authenticationId: begun.id, tokenEnc: digest('token') })
  })
}

/** Lines of one of each package. */
export function linesOf({ packages }: Scheme, ...codes: PackageCode[]): ClaimItem[] {
  return codes.map((code) => ({ packageId: packages[code] }))
}

/** Attaches and accepts a stored document that a guideline asks for. */
export async function addPaper(scheme: Scheme, claimId: string, code: string): Promise<string> {
  const documentId = await addStoredDocument(scheme.hospital)
  const content = digest(documentId)
  return scheme.hospital.run(async (tx) => {
    const input = {
      claimId,
      categoryCode: 'attachment',
      code,
      filename: `${documentId}.pdf`,
      sha256: content,
      documentId,
    }
    const paper = await attachDocument(tx, input)
    await reviewDocument(tx, { claimDocumentId: paper.id, accepted: true })
    return paper.id
  })
}

export async function addStoredDocument(hospital: Hospital): Promise<string> {
  const id = randomUUID()
  await asAdmin(hospital, (tx) =>
    tx.query(
      `insert into ehr.documents (tenant_id, id, document_number, type_code, title, category, storage_uri, mime,
        size_bytes, sha256, key_kid, confidentiality, source, virus_scan, scanned_at)
      values ($1, $2, $3, 'report', 'Report', 'insurance', 's3://bucket/' || $2::uuid, 'application/pdf', 10, $4, 'k1', 'N',
        'uploaded', 'clean', now())`,
      [hospital.tenant, id, `D-${id}`, digest(id)],
    ),
  )
  return id
}

/** A pre-authorisation of these packages, submitted with its papers. */
export async function submitted(scheme: Scheme, caseId: string, ...codes: PackageCode[]): Promise<InsuranceClaim> {
  const draft = await scheme.hospital.run((tx) => draftClaim(tx, { caseId }, linesOf(scheme, ...codes)))
  if (codes.includes('SG001')) await addPaper(scheme, draft.id, 'ultrasound')
  return scheme.hospital.run((tx) => submitPreauth(tx, draft.id))
}

/** An envelope from the payer about a submission. */
export function envelope(correlationId: string, changes: Partial<NhcxEnvelope> = {}): NhcxEnvelope {
  const apiCallId = randomUUID()
  return {
    apiPath: '/preauth/on_submit',
    entity: 'preauth',
    apiCallId,
    correlationId,
    senderCode: 'scheme@hcx',
    recipientCode: 'hospital@hcx',
    hcxStatus: 'response.complete',
    hcxTimestamp: new Date(),
    jweEnc: digest(apiCallId),
    payloadHash: digest(apiCallId),
    ...changes,
  }
}

/** The payer's answer to a submission, through the exchange. */
export async function answer(scheme: Scheme, correlationId: string, response: PayerResponse): Promise<AppliedResponse> {
  return scheme.hospital.run(async (tx) => {
    const message = await receiveMessage(tx, envelope(correlationId))
    return applyPayerResponse(tx, message.id, response)
  })
}

/** Our message about a submission, stored before it is sent. */
export async function queue(scheme: Scheme, claim: InsuranceClaim): Promise<string> {
  const sent = envelope(claim.correlationId, {
    apiPath: '/preauth/submit',
    senderCode: 'hospital@hcx',
    recipientCode: 'scheme@hcx',
    hcxStatus: 'request.initiated',
  })
  const message = await scheme.hospital.run((tx) =>
    queueNhcxMessage(tx, sent, { type: 'insurance_claims', id: claim.id }),
  )
  return message.id
}

let references = 0

/** An approval of everything, with a reference of its own. */
export function approval(changes: Partial<PayerResponse> = {}): PayerResponse {
  return { adjudication: 'approved', preAuthRef: `REF${references++}`, ...changes }
}

/** A final discharge summary of the stay whose guideline was met, and the end of the stay. */
export async function finishStay(scheme: Scheme, { encounterId, patientId }: Beneficiary): Promise<void> {
  const { hospital } = scheme
  const { tenant, departmentId } = hospital
  const [nurse, staff, doctor, admission, summary] = Array.from({ length: 5 }, () => randomUUID()) as [
    string,
    string,
    string,
    string,
    string,
  ]
  await asAdmin(hospital, async (tx) => {
    for (const [id, kind] of [
      [nurse, 'nurse'],
      [staff, 'doctor'],
    ] as const) {
      await tx.query(
        `insert into workforce.staff (tenant_id, id, employee_code, given_name, sex, phone_enc, phone_bidx, kind,
          department_id, designation, employment_type, joined_on)
        values ($1, $2, $3, 'Test', 'unknown', '\\x01', $4, $5, $6, 'Test', 'full_time', '2020-01-01')`,
        [tenant, id, `E-${id.replaceAll(/[0-9]/g, 'x')}`, digest(id), kind, departmentId],
      )
    }
    await tx.query(
      `insert into workforce.doctors (tenant_id, id, staff_id, registration_no, registration_council, qualification)
      values ($1, $2, $3, $4, 'Council', 'MBBS')`,
      [tenant, doctor, staff, `R-${doctor.replaceAll(/[0-9]/g, 'x')}`],
    )
    await tx.query(
      `insert into clinical.admissions (tenant_id, id, encounter_id, admission_number, admission_type, requested_at,
        care_class, admitting_doctor_id)
      values ($1, $2, $3, $4, 'elective', now() - interval '2 days', 'general', $5)`,
      [tenant, admission, encounterId, `A-${admission}`, doctor],
    )
    await tx.query(
      `insert into clinical.discharge_summaries (tenant_id, id, summary_number, encounter_id, patient_id, admission_id,
        final_diagnoses, course_enc, condition_at_discharge, discharge_kind, prepared_by)
      values ($1, $2, $3, $4, $5, $6, '[{"code": "K80.2"}]', '\\x01', 'stable', 'normal', $7)`,
      [tenant, summary, `S-${summary}`, encounterId, patientId, admission, nurse],
    )
    await tx.query(`update clinical.discharge_summaries set status = 'in_review' where id = $1`, [summary])
  })
}

/** The summary of a stay becomes final, its guideline met. */
export async function approveSummary(scheme: Scheme, { encounterId }: Beneficiary): Promise<void> {
  await asAdmin(scheme.hospital, async (tx) => {
    await tx.query(
      `update clinical.discharge_summaries set stg_status = 'passed', stg_checked_at = now() where encounter_id = $1`,
      [encounterId],
    )
    await tx.query(
      `update clinical.discharge_summaries s
      set status = 'final', approved_at = now(),
        approved_by = (
          select d.staff_id
          from clinical.admissions a
          join workforce.doctors d on d.tenant_id = a.tenant_id and d.id = a.admitting_doctor_id
          where a.encounter_id = $1
        )
      where encounter_id = $1`,
      [encounterId],
    )
  })
}
