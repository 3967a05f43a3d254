import { randomUUID } from 'node:crypto'
import { beginRequest } from '../checks.ts'
import { rowsOfTenants, type Inspection } from '../inspection.ts'
import { notApplicable, type ComplianceRule, type Verdict } from '../rule.ts'

// What the probes of ABDM need: people who are registered for it, with accounts and care contexts as ABDM would have
// verified them. All of it is gone after the run.

export interface AbdmScenario {
  readonly inspection: Inspection
  readonly tenant: string
  readonly clinicId: string
}

/** Probes in the first tenant that has an active site. */
export function withClinic(probe: (scenario: AbdmScenario) => Promise<Verdict>): ComplianceRule['check'] {
  return async (inspection) => {
    const [clinic] = await rowsOfTenants<{ tenant: string; id: string }>(
      inspection,
      `select c.tenant_id as tenant, c.id from facility.clinics c
       where c.tenant_id = $1 and c.status = 'active' and c.deleted_at is null order by c.id limit 1`,
    )
    if (!clinic) return notApplicable('there is no active site to try it at')
    await beginRequest(inspection, clinic.tenant)
    return probe({ inspection, tenant: clinic.tenant, clinicId: clinic.id })
  }
}

export interface Person {
  readonly id: string
  readonly mrn: string
  readonly name: string
}

/** Registers a woman who was born in 1985; `mobile` is any text, hashed as a mobile number would be. */
export async function addPerson(
  { inspection, clinicId }: AbdmScenario,
  given: string,
  mobile: string = randomUUID(),
): Promise<Person> {
  const [row] = await inspection.tx.query<{ id: string; mrn: string }>(
    `select patient_id as id, mrn from patient.register(
       jsonb_build_object(
         'given_name', $1::text, 'family_name', 'Probe', 'sex', 'female', 'birth_date', '1985-01-01',
         'registered_clinic_id', $2::uuid, 'data_key_kid', 'probe', 'mobile_enc', '\\x01', 'mobile_bidx', sha256($3::text::bytea)::text
       ),
       p_force => true, p_force_reason => 'a probe of the compliance check'
     )`,
    [given, clinicId, mobile],
  )
  return { id: row?.id ?? '', mrn: row?.mrn ?? '', name: `${given} Probe` }
}

export interface Account {
  readonly id: string
  readonly address: string
  readonly numberHash: string
}

/** An account as ABDM verified it, of nobody yet. */
export async function addAccount({ inspection }: AbdmScenario): Promise<Account> {
  const handle = `probe${randomUUID().slice(0, 8)}`
  const [row] = await inspection.tx.query<{ id: string; address: string; hash: string }>(
    `select a.id, a.abha_address as address, a.abha_number_bidx::text as hash
     from abdm.save_account(
       jsonb_build_object(
         'abha_number_enc', '\\x01', 'abha_number_bidx', sha256($1::text::bytea)::text, 'abha_number_last4', '0000',
         'abha_address', $1::text || '@' || coalesce(core.setting('abdm.address_suffixes') ->> 0, 'sbx'),
         'name', 'Probe', 'sex', 'female', 'birth_year', 1985
       ),
       'mobile_otp'
     ) as a`,
    [handle],
  )
  return { id: row?.id ?? '', address: row?.address ?? '', numberHash: row?.hash ?? '' }
}

export const linkAbha = `select abdm.link_abha($1, $2, 'a probe of the compliance check')`

/** A person with a linked account. */
export async function addLinkedPerson(scenario: AbdmScenario, given: string): Promise<Person & { account: Account }> {
  const person = await addPerson(scenario, given)
  const account = await addAccount(scenario)
  await scenario.inspection.tx.query(linkAbha, [person.id, account.id])
  return { ...person, account }
}

/** Network id of the site that the probes speak for. */
export const hip = 'PROBE-HIP'

/** A care context of today; `linked` as if the consent manager had confirmed it. */
export async function addContext(
  { inspection }: AbdmScenario,
  patientId: string,
  hiType = 'OPConsultation',
  linkedTo?: string,
): Promise<{ id: string; reference: string }> {
  const { tx } = inspection
  const [context] = await tx.query<{ id: string; reference: string }>(
    `select id, reference from abdm.add_care_context($1, $2, 'clinical.encounters', $3, current_date, null, $4)`,
    [patientId, hiType, randomUUID(), hip],
  )
  if (linkedTo !== undefined) {
    await tx.query(`update abdm.care_contexts set status = 'link_requested', abha_account_id = $2 where id = $1`, [
      context?.id,
      linkedTo,
    ])
    await tx.query(`update abdm.care_contexts set status = 'linked', linked_at = now() where id = $1`, [context?.id])
  }
  return { id: context?.id ?? '', reference: context?.reference ?? '' }
}

/** Message and parameters of a granted artefact: a year back, once a day, consultations only, these contexts. */
export function grantOf(
  address: string,
  references: readonly string[],
  changes: Readonly<Record<string, unknown>> = {},
): readonly [artefactId: string, sql: string, params: readonly unknown[]] {
  const artefactId = randomUUID()
  const at = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString()
  const artefact = {
    artefact_id: artefactId,
    abha_address: address,
    hip_id: hip,
    hiu_id: 'PROBE-HIU',
    consent_manager_id: 'probe',
    purpose: 'CAREMGT',
    access_mode: 'VIEW',
    hi_types: ['OPConsultation'],
    data_from: at(-365),
    data_to: at(1),
    data_erase_at: at(30),
    frequency_unit: 'DAY',
    frequency_value: 1,
    frequency_repeats: 0,
    detail: {},
    signature: 'probe',
    signature_valid: true,
    care_contexts: references.map((reference) => ({
      patient_reference: 'probe',
      care_context_reference: reference,
    })),
    ...changes,
  }
  return [
    artefactId,
    `select outcome, artefact_row_id as id, failure_code as failure from abdm.ingest_consent($1, $2::jsonb)`,
    [randomUUID(), JSON.stringify({ role: 'HIP', status: 'GRANTED', artefact })],
  ]
}

/** Opens a session of data flow under an artefact, for the last `days` days. */
export async function openSession({ inspection }: AbdmScenario, artefactId: string, days = 30): Promise<string> {
  const [session] = await inspection.tx.query<{ id: string }>(
    `select id from abdm.open_session(jsonb_build_object(
       'role', 'HIP', 'request_id', $1::uuid, 'artefact_id', $2::uuid, 'data_from', now() - make_interval(days => $3),
       'data_to', now(), 'data_push_url', 'https://probe.example.org/push', 'peer_public_key', 'probe',
       'peer_nonce', 'probe', 'own_private_key_enc', '\\x01'
     ))`,
    [randomUUID(), artefactId, days],
  )
  return session?.id ?? ''
}
