import { randomUUID } from 'node:crypto'
import { beginRequest } from '../checks.ts'
import { outcomeOf, rowsOfTenants, type Inspection } from '../inspection.ts'
import { notApplicable, type ComplianceRule, type Verdict } from '../rule.ts'

// What the probes of claims need: a payer of the scheme with packages of every kind, a coverage in force, a case. They are
// made for an encounter that is there, inside the run, and are gone after it.

export interface ClaimScenario {
  readonly inspection: Inspection
  readonly encounterId: string
  readonly payerId: string
  readonly coverageId: string
  readonly caseId: string
  readonly packages: Readonly<Record<PackageName, string>>
}

/**
 * surgical: one of it, may be enhanced; fixed: surgical, may not be; medical; implant: two implants; strata: one stratum;
 * cycle: six cycles; free: needs no approval.
 */
export type PackageName = 'surgical' | 'fixed' | 'medical' | 'implant' | 'strata' | 'cycle' | 'free'

/** A line of one package; other keys as insurance.draft_claim takes them. */
export type Line = { readonly package: PackageName } & Readonly<Record<string, unknown>>

const anyEncounter = `
  select e.tenant_id as tenant, e.id, e.patient_id as patient
  from clinical.encounters e
  join patient.patients p on p.tenant_id = e.tenant_id and p.id = e.patient_id and p.merged_into_id is null
  where e.tenant_id = $1 and e.deleted_at is null
  order by e.id
  limit 1`

/** A stay whose discharge summary is being written. */
export const encounterWithOpenSummary = `
  select s.tenant_id as tenant, s.encounter_id as id, s.patient_id as patient
  from clinical.discharge_summaries s
  where s.tenant_id = $1 and s.status in ('draft', 'in_review') and not exists (
    select
    from clinical.discharge_summaries f
    where f.tenant_id = s.tenant_id and f.encounter_id = s.encounter_id and f.status = 'final'
  )
  order by s.id
  limit 1`

/** Makes the scenario for the first encounter that the query finds in a tenant, and probes it. */
export function withCase(
  probe: (scenario: ClaimScenario) => Promise<Verdict>,
  encounters: string = anyEncounter,
): ComplianceRule['check'] {
  return async (inspection) => {
    const [encounter] = await rowsOfTenants<{ tenant: string; id: string; patient: string }>(inspection, encounters)
    if (!encounter) return notApplicable('there is no encounter to try it with')
    await beginRequest(inspection, encounter.tenant)
    return probe(await openCase(inspection, encounter.tenant, encounter.id, encounter.patient))
  }
}

async function openCase(
  inspection: Inspection,
  tenant: string,
  encounterId: string,
  patientId: string,
): Promise<ClaimScenario> {
  const { tx } = inspection
  const [payerId, planId, coverageId] = [randomUUID(), randomUUID(), randomUUID()]
  await tx.query(
    `insert into insurance.payers (
       tenant_id, id, code, name, kind, scheme, preauth_tat_minutes, query_response_hours, claim_submit_days, settle_days,
       portability_settle_days, backdate_days, rules_effective
     ) values ($1, $2::uuid, 'PROBE ' || left($2::uuid::text, 8), 'probe', 'government_scheme', 'PMJAY', 60, 24, 7, 15, 30, 5, '[2020-01-01,)')`,
    [tenant, payerId],
  )
  await tx.query(
    `insert into insurance.insurance_plans (tenant_id, id, payer_id, plan_code, name, type_code, period, source)
     values ($1, $2, $3, 'PROBE', 'probe', 'scheme', '[2020-01-01,)', 'manual')`,
    [tenant, planId, payerId],
  )
  await tx.query(`update insurance.insurance_plans set status = 'active' where id = $1`, [planId])
  const packages = await tx.query<{ name: PackageName; id: string }>(
    `insert into insurance.benefit_packages (
       tenant_id, plan_id, package_code, name, specialty_code, procedure_type, base_rate, enhancement_allowed,
       approval_not_required, quantity_allowed, implant_applicable, multiple_implants_allowed, maximum_implants_allowed,
       stratification_allowed, cyclic_procedure, maximum_cycles_allowed
     ) values
       ($1, $2, 'PROBE1', 'surgical', 'SG', 'surgical', 10000, true, false, 1, false, false, null, false, false, null),
       ($1, $2, 'PROBE2', 'fixed', 'SG', 'surgical', 5000, false, false, null, false, false, null, false, false, null),
       ($1, $2, 'PROBE3', 'medical', 'MG', 'medical', 2000, true, false, null, false, false, null, false, false, null),
       ($1, $2, 'PROBE4', 'implant', 'SG', 'implant', 3000, true, false, null, true, true, 2, false, false, null),
       ($1, $2, 'PROBE5', 'strata', 'SG', 'unspecified', 3000, true, false, null, false, false, null, true, false, null),
       ($1, $2, 'PROBE6', 'cycle', 'MO', 'follow_up', 1000, true, false, null, false, false, null, false, true, 6),
       ($1, $2, 'PROBE7', 'free', 'LB', 'investigation', 500, true, true, null, false, false, null, false, false, null)
     returning name, id`,
    [tenant, planId],
  )
  await tx.query(
    `insert into insurance.coverages (
       tenant_id, id, patient_id, payer_id, plan_id, member_id_enc, member_id_bidx, subscriber_relationship, period, rank
     )
     select
       $1::uuid, $2::uuid, $3::uuid, $4::uuid, $5::uuid, '\\x01', sha256($2::uuid::text::bytea), 'self', daterange(current_date - 1, current_date + 2),
       (
         select coalesce(max(c.rank), 0) + 1
         from insurance.coverages c
         where c.tenant_id = $1 and c.patient_id = $3
       )`,
    [tenant, coverageId, patientId, payerId, planId],
  )
  await tx.query(`select insurance.verify_coverage($1, 'probe')`, [coverageId])
  await tx.query(
    `select insurance.apply_eligibility_answer(
       (insurance.ask_eligibility($1, $2, $3, $4)).correlation_id,
       '{"outcome": "complete", "inforce": true, "balance": 100000}'
     )`,
    [payerId, patientId, coverageId, encounterId],
  )
  const [registered] = await tx.query<{ id: string }>(
    `select id from insurance.register_case($1, $2, 'PROBE', 'KA', 'KA', 'planned')`,
    [encounterId, coverageId],
  )
  return {
    inspection,
    encounterId,
    payerId,
    coverageId,
    caseId: registered?.id ?? '',
    packages: Object.fromEntries(packages.map(({ name, id }) => [name, id])) as Record<PackageName, string>,
  }
}

/** SQL and parameters of a draft; `use` is preauthorization or claim. */
export function draftOf(
  { caseId, packages }: ClaimScenario,
  lines: readonly Line[],
  use = 'preauthorization',
): readonly [string, readonly unknown[]] {
  return [
    `select id from insurance.draft_claim(jsonb_build_object('use', $1::text, 'case_id', $2::uuid, 'channel', 'portal'), $3::jsonb)`,
    [use, caseId, JSON.stringify(itemsOf(packages, lines))],
  ]
}

export function itemsOf(packages: ClaimScenario['packages'], lines: readonly Line[]): Record<string, unknown>[] {
  return lines.map(({ package: name, ...rest }) => ({ package_id: packages[name], ...rest }))
}

/** Drafts and returns the id. */
export async function draft(scenario: ClaimScenario, lines: readonly Line[], use?: string): Promise<string> {
  const [row] = await scenario.inspection.tx.query<{ id: string }>(...draftOf(scenario, lines, use))
  return row?.id ?? ''
}

/** What trying to draft these lines ends with. */
export function outcomeOfDraft(scenario: ClaimScenario, ...lines: readonly Line[]): Promise<string> {
  return outcomeOf(scenario.inspection, ...draftOf(scenario, lines))
}

/** Authenticates the beneficiary at the stage that the tenant asks for with this use of a submission. */
export async function authenticate({ inspection, encounterId, payerId }: ClaimScenario, use: string): Promise<void> {
  await inspection.tx.query(
    `select insurance.complete_authentication(a.id, '\\x01')
     from insurance.begin_authentication(
       $1, $2, coalesce(core.setting('insurance.authentication_stages') ->> $3, 'preauthorization'), 'face', $4
     ) as a`,
    [encounterId, payerId, use, randomUUID()],
  )
}

/** Submits and approves a pre-authorisation of these lines; returns its id. */
export async function approved(scenario: ClaimScenario, ...lines: readonly Line[]): Promise<string> {
  const { tx } = scenario.inspection
  const id = await draft(scenario, lines)
  await authenticate(scenario, 'preauthorization')
  await tx.query('select insurance.submit_preauth($1)', [id])
  await tx.query(
    `select insurance.record_payer_decision($1, jsonb_build_object('adjudication', 'approved', 'pre_auth_ref', $1::uuid::text))`,
    [id],
  )
  return id
}

/** Treats the patient as an emergency that was registered by telephone, and discharges. */
export async function treatAndDischarge({ inspection, caseId }: ClaimScenario): Promise<void> {
  const { tx } = inspection
  await tx.query(`update insurance.pmjay_cases set telephonic = true, admission_type = 'emergency' where id = $1`, [
    caseId,
  ])
  await tx.query('select insurance.start_treatment($1)', [caseId])
  await tx.query('select insurance.discharge_case($1)', [caseId])
}
