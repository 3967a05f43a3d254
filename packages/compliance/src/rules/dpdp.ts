import type { Table } from '@imhotep/engine'
import {
  all,
  beginRequest,
  everyTable,
  hasCheck,
  hasClass,
  hasColumns,
  nameOf,
  noRows,
  refuses,
  sameAs,
  textColumns,
} from '../checks.ts'
import { outcomeOf, rowsOfTenants, type Inspection } from '../inspection.ts'
import { fail, notApplicable, pass, type RuleFamily, type Verdict } from '../rule.ts'
import { foundation } from './foundation.ts'
import { hipaa } from './hipaa.ts'

/** Contacts and numbers that name a person; a column with such a name is encrypted, an index or the last four digits. */
const contactName = /(^|_)(mobile|phone|telephone|email|e_mail|address|passport|passport_no|bank_account|upi_vpa)$/
const aadhaarName = /aadhaa?r|uidai|(^|_)vid$/
/** Rows of a table that are scanned. */
const scanLimit = 100_000

const child = `'0d000000-0000-7000-8000-0000000000c1'`
const guardian = `'0d000000-0000-7000-8000-0000000000c2'`
const madeChild = [
  `insert into patient.patients (tenant_id, id, mrn, given_name, name_phonetic, sex, birth_date, registered_clinic_id)
   select c.tenant_id, ${child}, (select regexp_replace(p.mrn, '[0-9]+$', '') || '987654' from patient.patients p where p.tenant_id = $1 limit 1),
     'Probe', '', 'unknown', current_date - 3000, c.id
   from facility.clinics c where c.tenant_id = $1 order by c.id limit 1`,
  `insert into patient.patient_contacts (tenant_id, id, patient_id, name, relationship, is_legal_guardian)
   values ($1, ${guardian}, ${child}, 'Probe', 'mother', true)`,
]
const verifiedGuardian = `update patient.patient_contacts set guardian_verified_at = now() where tenant_id = $1 and id = ${guardian}`

/** Digital Personal Data Protection, with what CERT-In, the Aadhaar Act and the medical council ask. */
export const dpdp: RuleFamily = {
  name: 'dpdp',
  title: 'DPDP Act 2023 and Rules 2025, CERT-In, records law',
  unconfirmedClauses: false,
  rules: [
    {
      id: 'DPD-01',
      source: 's.5, r.3',
      rule: 'consent to the use of data points to the version of the notice that was shown',
      kind: 'catalogue',
      check: all(
        hasCheck('compliance.consents', /data_processing/, /notice_id IS NOT NULL/i),
        hasColumns({ 'compliance.consent_notices': ['version!', 'locale!', 'body!', 'body_hash!', 'purpose!'] }),
      ),
    },
    {
      id: 'DPD-02',
      source: 's.5(3)',
      rule: 'every notice in effect is there in English and in each language that the tenant offers',
      kind: 'data',
      check: noRows({
        what: 'notices in effect',
        of: `
          select count(distinct n.code)::int as n from compliance.consent_notices n
          where (n.tenant_id = $1 or n.tenant_id is null) and n.effective_from <= now()`,
        offending: `
          with wanted as (
            select 'en' as locale
            union
            select jsonb_array_elements_text(coalesce(core.setting('compliance.notice_locales'), '[]'))
          ),
          latest as ( -- the tenant's own text before the shared one
            select distinct on (n.code) n.code, n.version, n.tenant_id
            from compliance.consent_notices n
            where (n.tenant_id = $1 or n.tenant_id is null) and n.effective_from <= now()
            order by n.code, n.tenant_id nulls last, n.version desc
          )
          select l.code || ' in ' || w.locale as offender
          from latest l cross join wanted w
          where not exists (
            select from compliance.consent_notices n
            where n.tenant_id is not distinct from l.tenant_id and n.code = l.code and n.version = l.version
              and n.locale = w.locale
          )`,
      }),
    },
    {
      id: 'DPD-03',
      source: 's.6(4)',
      rule: 'a consent that is withdrawn ends at once, and so do the messages that rested on it',
      kind: 'behaviour',
      check: withdrawalTakesEffect,
    },
    {
      id: 'DPD-04',
      source: 's.7',
      rule: 'what left the house, or was read for research or public health, has a consent or a legal basis on record',
      kind: 'data',
      check: noRows({
        what: 'logged accesses',
        of: `select count(*)::int as n from audit.phi_access_logs where tenant_id = $1`,
        offending: `
          select l.access_kind || ' ' || l.seq as offender
          from audit.phi_access_logs l
          where l.tenant_id = $1 and l.consent_id is null and l.legal_basis is null
            and (l.access_kind = 'disclosure' or l.purpose_of_use in ('HRESCH', 'PUBHLTH'))`,
      }),
    },
    {
      id: 'DPD-05',
      source: 'r.6(1)(a)',
      rule: 'contacts and identifiers of persons are encrypted, indexed blind or masked',
      kind: 'catalogue',
      check: all(
        sameAs(hipaa, 'HIP-05'),
        everyTable('tables of personal data', hasClass('phi', 'pii'), (table) => {
          const plain = [...table.columns.values()].filter(
            ({ name, type }) => contactName.test(name) && type !== 'bytea' && name !== 'abha_address',
          )
          return plain.length === 0 ? null : plain.map(({ name }) => name).join(', ')
        }),
      ),
    },
    {
      id: 'DPD-06',
      source: 'r.6(1)(b)',
      rule: 'access to the data of every tenant is controlled by row',
      kind: 'catalogue',
      check: all(sameAs(foundation, 'COR-02'), sameAs(foundation, 'COR-03')),
    },
    {
      id: 'DPD-07',
      source: 'r.6(1)(c), (e)',
      rule: 'access logs are kept for a year at least',
      kind: 'behaviour',
      check: all(
        hasCheck('compliance.retention_policies', /minimum_log_days >= 365\b/),
        refuses({
          attempt: 'dropping months of the log that are a year old',
          statement: `select audit.drop_expired_partitions(interval '1 year')`,
          with: ['IM006'],
        }),
      ),
    },
    {
      id: 'DPD-08',
      source: 'r.6(1)(d)',
      rule: 'health data survive a loss: a restore was tried and checked within the last 90 days',
      kind: 'data',
      check: sameAs(hipaa, 'HIP-25'),
    },
    {
      id: 'DPD-09',
      source: 'r.6(1)(f)',
      rule: 'who processes data for the hospital does so under a contract in force',
      kind: 'data',
      check: sameAs(hipaa, 'HIP-21'),
    },
    {
      id: 'DPD-10',
      source: 's.8(6), r.7',
      rule: 'the Board has the details of a breach within 72 hours, and a closed breach has told everybody',
      kind: 'data',
      check: all(
        closingNeedsEverybodyTold,
        noRows({
          what: 'breaches',
          of: `select count(*)::int as n from compliance.breaches where tenant_id = $1`,
          offending: `
            select b.breach_number as offender
            from compliance.breaches b
            where b.tenant_id = $1 and (
              coalesce(b.board_detailed_at, now()) > b.discovered_at + interval '72 hours'
              or b.status = 'closed' and exists (
                select from compliance.breach_affected_persons p
                where p.tenant_id = b.tenant_id and p.breach_id = b.id and p.notified_at is null
              )
            )`,
        }),
      ),
    },
    {
      id: 'DPD-11',
      source: 'CERT-In Directions 2022',
      rule: 'CERT-In is told of a breach within six hours',
      kind: 'data',
      check: noRows({
        what: 'breaches',
        of: `select count(*)::int as n from compliance.breaches where tenant_id = $1`,
        offending: `
          select b.breach_number as offender from compliance.breaches b
          where b.tenant_id = $1 and coalesce(b.cert_in_reported_at, now()) > b.discovered_at + interval '6 hours'`,
      }),
    },
    {
      id: 'DPD-12',
      source: 's.8(7), r.8',
      rule: 'records and logs past retention are gone, unless a hold keeps them',
      kind: 'data',
      check: pastRetentionIsGone,
    },
    {
      id: 'DPD-13',
      source: 'r.8(2)',
      rule: 'a person is told 48 hours before a policy erases what is held on them',
      kind: 'catalogue',
      check: all(
        hasCheck('compliance.erasure_log', /notice_sent_at <=/, /'(48:00:00|2 days)'/),
        hasCheck('compliance.erasure_log', /request_id IS NOT NULL/i, /notice_sent_at/, /notice_waived_reason/),
      ),
    },
    {
      id: 'DPD-14',
      source: 'r.8(3)',
      rule: 'no policy erases anything before a year',
      kind: 'catalogue',
      check: hasCheck('compliance.retention_policies', /^CHECK \(\(+keep_for >= '(1 year|12 mons)'/i),
    },
    {
      id: 'DPD-15',
      source: 's.9, r.10',
      rule: 'for a person under 18 a verified guardian consents and nobody else',
      kind: 'behaviour',
      check: refuses(
        {
          attempt: 'the consent of a child',
          given: madeChild,
          statement: `select compliance.give_consent(${child}, 'treatment')`,
          with: ['IM913'],
        },
        {
          attempt: 'the consent of a guardian without proof',
          given: madeChild,
          statement: `select compliance.give_consent(${child}, 'treatment', 'guardian', p_contact_id => ${guardian})`,
          with: ['IM913'],
        },
        {
          attempt: 'the consent of a guardian of somebody else',
          given: [...madeChild, verifiedGuardian],
          statement: `
            insert into compliance.consents (tenant_id, patient_id, kind, decision, given_by, contact_id, guardian_verified)
            select p.tenant_id, p.id, 'treatment', 'permit', 'guardian', ${guardian}, true
            from patient.patients p where p.tenant_id = $1 and p.id <> ${child} and p.deleted_at is null order by p.id limit 1`,
          with: ['IM913'],
          control: `select compliance.give_consent(${child}, 'treatment', 'guardian', p_contact_id => ${guardian})`,
        },
      ),
    },
    {
      id: 'DPD-16',
      source: 'r.12, Fourth Schedule',
      rule: 'a child is cared for with consent on record, or the exemption that is relied on is',
      kind: 'data',
      check: noRows({
        what: 'children in care',
        of: `
          select count(distinct e.patient_id)::int as n
          from clinical.encounters e join patient.patients p on p.tenant_id = e.tenant_id and p.id = e.patient_id
          where e.tenant_id = $1 and e.deleted_at is null and p.birth_date > lower(e.period) - interval '18 years'`,
        offending: `
          select e.encounter_number as offender
          from clinical.encounters e join patient.patients p on p.tenant_id = e.tenant_id and p.id = e.patient_id
          where e.tenant_id = $1 and e.deleted_at is null and p.birth_date > lower(e.period) - interval '18 years'
            and coalesce(core.setting('compliance.child_care_basis') #>> '{}', '') = ''
            and not exists (
              select from compliance.consents c
              where c.tenant_id = e.tenant_id and c.patient_id = e.patient_id and c.kind in ('data_processing', 'treatment')
                and c.decision = 'permit' and c.given_by in ('guardian', 'lawful_representative', 'emergency_doctrine')
            )`,
      }),
    },
    {
      id: 'DPD-17',
      source: 's.11',
      rule: 'an export of what is held on a person works, and holds every row that names them',
      kind: 'behaviour',
      check: exportIsComplete,
    },
    {
      id: 'DPD-18',
      source: 's.12-13, r.14',
      rule: 'requests of persons are answered inside their clock, grievances within 90 days',
      kind: 'data',
      check: all(
        hasCheck('compliance.data_principal_requests', /grievance/, /due_at/, /'90 days'/),
        noRows({
          what: 'requests of persons',
          of: `select count(*)::int as n from compliance.data_principal_requests where tenant_id = $1`,
          offending: `
            select r.request_number as offender
            from compliance.data_principal_requests r
            where r.tenant_id = $1 and r.status <> 'rejected' and coalesce(r.completed_at, now()) > r.due_at`,
        }),
      ),
    },
    {
      id: 'DPD-19',
      source: 's.16, r.15',
      rule: 'data stays out of restricted countries',
      kind: 'data',
      check: all(
        refuses({
          attempt: 'a processor in a restricted country',
          given: [
            `delete from core.system_settings where key = 'compliance.restricted_countries' and tenant_id = $1`,
            `insert into core.system_settings (tenant_id, key, value, value_type, description)
             values ($1, 'compliance.restricted_countries', '["ZZ"]', 'json', 'probe')`,
          ],
          statement: `select compliance.add_processor('probe', 'probe', '{contact}', 'ZZ', 'DPA')`,
          with: ['IM916'],
          control: `select compliance.add_processor('probe', 'probe', '{contact}', 'IN', 'DPA')`,
        }),
        noRows({
          what: 'tenants and processors',
          of: `
            select 1 + count(*)::int as n from compliance.data_processors where tenant_id = $1 and status in ('draft', 'active')`,
          offending: `
            select 'processor ' || p.id as offender
            from compliance.data_processors p
            cross join lateral (
              select p.country
              union all
              select s ->> 'country' from jsonb_array_elements(p.subprocessors) as s
            ) as goes (country)
            where p.tenant_id = $1 and p.status in ('draft', 'active')
              and core.setting('compliance.restricted_countries') ? goes.country
            union all
            select 'data region ' || t.data_region
            from core.tenants t
            where t.id = $1 and core.setting('compliance.restricted_countries') ? upper(left(t.data_region, 2))`,
        }),
      ),
    },
    {
      id: 'DPD-20',
      source: 's.4, 6(1)',
      rule: 'every access says its purpose, one of a known list',
      kind: 'behaviour',
      check: all(
        hasColumns({ 'audit.phi_access_logs': ['purpose_of_use!'] }),
        refuses(
          {
            attempt: 'a read without a purpose',
            given: [`select set_config('app.purpose', '', true)`],
            statement: `select audit.log_access('Patient', null, null, 'view')`,
            with: ['23502'],
          },
          {
            attempt: 'a read for a purpose that nobody knows',
            given: [`select set_config('app.purpose', 'CURIOUS', true)`],
            statement: `select audit.log_access('Patient', null, null, 'view')`,
            with: ['23514'],
          },
        ),
      ),
    },
    {
      id: 'DPD-21',
      source: 'Aadhaar Act s.8, 29',
      rule: 'no column is there for an Aadhaar number, and no text holds one',
      kind: 'data',
      check: all(
        everyTable(
          'tables',
          () => true,
          (table) => {
            const found = [...table.columns.keys()].filter((column) => aadhaarName.test(column))
            return found.length === 0 ? null : found.join(', ')
          },
        ),
        noAadhaarInTexts,
      ),
    },
    {
      id: 'DPD-22',
      source: 'IMC Regulations 2002, 1.3.1',
      rule: 'medical records are kept for three years at least',
      kind: 'catalogue',
      check: hasCheck('compliance.retention_policies', /medical_record/, /keep_for >= '3 years'/),
    },
    {
      id: 'DPD-23',
      source: 'IMC Regulations 2002, 1.3.2 (number not confirmed)',
      rule: 'copies of records are due within 72 hours',
      kind: 'catalogue',
      check: hasCheck('compliance.data_principal_requests', /record_copy/, /due_at/, /'(72:00:00|3 days)'/),
    },
    {
      id: 'DPD-24',
      source: 's.12(3)',
      rule: 'what was erased cannot be read again: its keys are destroyed for good and its plain columns are empty',
      kind: 'behaviour',
      check: all(destroyedKeyStaysDestroyed, erasedIsEmpty),
    },
  ],
}

async function withdrawalTakesEffect(inspection: Inspection): Promise<Verdict> {
  const { tx, tenants } = inspection
  const [tenant] = tenants
  const [patient] = await rowsOfTenants<{ id: string }>(
    inspection,
    `select p.id from patient.patients p
     where p.tenant_id = $1 and p.status = 'active' and p.deleted_at is null and p.birth_date < now() - interval '20 years'
     order by p.id limit 1`,
  )
  if (tenant === undefined || !patient) return notApplicable('there is no patient to try it on')
  await beginRequest(inspection, tenant)
  const [consent] = await tx.query<{ id: string }>(
    `select (compliance.give_consent($1, 'marketing', p_purposes => '{probe}', p_notice_id => (
       compliance.publish_notice('probe', 'en', '{probe}', '{contact}', 'probe', 'probe', 'probe')
     ).id)).id as id`,
    [patient.id],
  )
  await tx.query(`select communication.set_contact_preference('patient', $1, 'sms', 'promotional', true, $2)`, [
    patient.id,
    consent?.id,
  ])
  const state = async () =>
    (
      await tx.query<{ active: boolean; wanted: boolean }>(
        `select compliance.active_consent($2, 'marketing', 'probe') is not null as active, exists (
           select from communication.contact_preferences c
           where c.tenant_id = $1 and c.subject_id = $2 and c.channel = 'sms' and c.category = 'promotional' and c.opted_in
         ) as wanted`,
        [tenant, patient.id],
      )
    )[0]
  const before = await state()
  await tx.query(`select compliance.withdraw_consent($1, 'probe')`, [consent?.id])
  const after = await state()
  if (before?.active !== true || !before.wanted) return fail('a consent that was given does not take effect')
  if (after?.active !== false) return fail('a withdrawn consent still counts', [consent?.id ?? ''])
  if (after.wanted) return fail('messages go on after the consent to them was withdrawn', [consent?.id ?? ''])
  return pass('given, relied on, withdrawn: neither the consent nor the opt-in counts any more')
}

async function closingNeedsEverybodyTold(inspection: Inspection): Promise<Verdict> {
  const { tx, tenants } = inspection
  const [tenant] = tenants
  if (tenant === undefined) return notApplicable('there is no active tenant to try it in')
  await beginRequest(inspection, tenant)
  const [breach] = await tx.query<{ id: string }>(
    `select (compliance.open_breach('probe', '{contact}', '{probe}')).id as id`,
  )
  await tx.query(`select compliance.add_affected_person($1, null, '{contact}', 'probe')`, [breach?.id])
  for (const step of ['cert_in', 'board_initial', 'board_detailed'])
    await tx.query('select compliance.record_breach_report($1, $2)', [breach?.id, step])
  await tx.query(`select compliance.contain_breach($1, 'probe')`, [breach?.id])
  // past the operation, which asks as well
  const outcome = await outcomeOf(
    inspection,
    `update compliance.breaches set status = 'closed', root_cause = 'probe', principals_notified_at = now() where id = $1`,
    [breach?.id],
  )
  return outcome === 'IM915'
    ? pass('a breach with a person who was not told does not close')
    : fail(`closing a breach with a person who was not told ended with ${outcome}`)
}

async function pastRetentionIsGone(inspection: Inspection): Promise<Verdict> {
  const [policies] = await inspection.tx.query<{ n: number }>(
    `select count(*)::int as n from compliance.retention_policies where class in ('medical_record', 'audit', 'access_log')`,
  )
  if (!policies || policies.n === 0) return fail('no policy says how long records and logs are kept')
  const logs = (log: string, at: string, policy: string) => `
    select '${log}: ' || count(*) || ' rows' as offender
    from audit.${log} l
    where l.tenant_id = $1 and l.${at} < now() - interval '1 month' - (
      select max(r.keep_for) from compliance.retention_policies r
      where r.class = '${policy}' and (r.tenant_id = $1 or r.tenant_id is null)
    )
    having count(*) > 0
      and not exists (select from compliance.legal_holds h where h.tenant_id = $1 and h.status = 'active')`
  const offenders = await rowsOfTenants<{ offender: string }>(
    inspection,
    `select 'patient ' || p.id as offender
     from patient.patients p
     where p.tenant_id = $1 and p.deleted_at is null
       and p.created_at < now() - (select min(r.keep_for) from compliance.retention_policies r where r.class = 'medical_record')
       and compliance.kept_until(p.id) < now() and not compliance.is_under_hold(null, null, null, p.id)
     union all ${logs('audit_logs', 'occurred_at', 'audit')}
     union all ${logs('phi_access_logs', 'accessed_at', 'access_log')}`,
  )
  const counts = await rowsOfTenants<{ n: number }>(
    inspection,
    'select count(*)::int as n from patient.patients where tenant_id = $1',
  )
  const looked = `${policies.n} policies over ${counts.reduce((sum, { n }) => sum + n, 0)} patients and two logs`
  return offenders.length > 0
    ? fail(
        looked,
        offenders.map(({ offender }) => offender),
      )
    : pass(looked)
}

/** The export is made as an application makes it; what it must hold is counted past it, through the foreign keys. */
async function exportIsComplete(inspection: Inspection): Promise<Verdict> {
  const { tx, tables, tenants } = inspection
  const [tenant] = tenants
  const [patient] = await rowsOfTenants<{ id: string }>(
    inspection,
    `select e.patient_id as id from clinical.encounters e where e.tenant_id = $1 group by e.patient_id order by count(*) desc, e.patient_id limit 1`,
  )
  if (tenant === undefined || !patient) return notApplicable('there is no patient with an encounter to export')
  await beginRequest(inspection, tenant)
  await tx.query('set local role imhotep_app')
  const [made] = await tx.query<{ rows: number; closed: string[]; counts: Record<string, number> }>(
    `select (e.x ->> 'row_count')::int as rows, array(select jsonb_array_elements_text(e.x -> 'not_readable')) as closed,
       (select jsonb_object_agg(t.key, jsonb_array_length(t.value)) from jsonb_each(e.x -> 'tables') as t) as counts
     from (select compliance.export_person($1) as x) as e`,
    [patient.id],
  )
  await tx.query('reset role')
  if (!made) return fail('the export gave nothing')
  const offenders = made.closed.map((name) => `${name} may not be read`)
  const counted = tables.flatMap((table) =>
    columnsNamingPatients(table).map((column) => ({
      name: nameOf(table),
      sql: `select '${nameOf(table)}' as name, count(*)::int as n from ${nameOf(table)} where tenant_id = $1 and "${column}" = $2`,
    })),
  )
  const held = await tx.query<{ name: string; n: number }>(counted.map(({ sql }) => sql).join(' union all '), [
    tenant,
    patient.id,
  ])
  for (const { name, n } of held)
    if (n > (made.counts[name] ?? 0)) offenders.push(`${name}: ${made.counts[name] ?? 0} of ${n} rows`)
  return offenders.length > 0
    ? fail(`${made.rows} exported rows`, offenders)
    : pass(`${made.rows} exported rows; ${counted.length} references to patients counted`)
}

/** Indexes of words that the export holds elsewhere. */
const derived = ['patient.name_trigrams']

function columnsNamingPatients(table: Table): string[] {
  if (derived.includes(nameOf(table))) return []
  return [...table.constraints.values()]
    .filter(({ kind, references }) => kind === 'foreign key' && references === 'patient.patients')
    .flatMap(({ columns }) => columns.filter((column) => column !== 'tenant_id'))
}

async function noAadhaarInTexts(inspection: Inspection): Promise<Verdict> {
  let looked = 0
  const offenders: string[] = []
  for (const table of inspection.tables) {
    const columns = textColumns(table)
    if (columns.length === 0 || !table.columns.has('tenant_id')) continue
    const text = columns.map((column) => `"${column}"::text`).join(", ' | ', ")
    const rows = await rowsOfTenants<{ n: number; found: number }>(
      inspection,
      `select count(*)::int as n,
         count(*) filter (where t.words ~ '[2-9][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4}' and core.looks_like_aadhaar(t.words))::int as found
       from (select concat(${text}) as words from ${nameOf(table)} where tenant_id = $1 limit ${scanLimit}) as t`,
    )
    looked += rows.reduce((sum, { n }) => sum + n, 0)
    const found = rows.reduce((sum, row) => sum + row.found, 0)
    if (found > 0) offenders.push(`${nameOf(table)}: ${found} rows`)
  }
  const [detector] = await inspection.tx.query<{ works: boolean }>(
    `select core.looks_like_aadhaar('2341 2341 2346') as works`,
  )
  if (detector?.works !== true) offenders.push('core.looks_like_aadhaar knows no Aadhaar number any more')
  if (looked === 0) return notApplicable('there are no rows yet')
  return offenders.length > 0 ? fail(`${looked} rows`, offenders) : pass(`${looked} rows scanned`)
}

async function destroyedKeyStaysDestroyed(inspection: Inspection): Promise<Verdict> {
  const { tx, tenants } = inspection
  const [tenant] = tenants
  if (tenant === undefined) return notApplicable('there is no active tenant to try it in')
  await beginRequest(inspection, tenant)
  await tx.query(
    `insert into core.encryption_keys (tenant_id, kid, purpose, algorithm, wrapped_key, kms_ref, rotate_after, subject_type, subject_id)
     values ($1, 'probe', 'field', 'AES-256-GCM', sha256('probe'), 'probe://', now() + interval '1 year', 'probe', core.uuid_v7())`,
    [tenant],
  )
  await tx.query(`select core.shred_key('probe', 'probe')`)
  const [key] = await tx.query<{ gone: boolean }>(
    `select wrapped_key is null and status = 'destroyed' as gone from core.encryption_keys where tenant_id = $1 and kid = 'probe'`,
    [tenant],
  )
  const back = await outcomeOf(
    inspection,
    `update core.encryption_keys set wrapped_key = sha256('probe'), status = 'active', destroyed_at = null where tenant_id = $1 and kid = 'probe'`,
    [tenant],
  )
  if (key?.gone !== true) return fail('core.shred_key leaves the wrapped key')
  return back === '00000'
    ? fail('a destroyed key can be given back')
    : pass(`a key was destroyed, giving it back ended with ${back}`)
}

async function erasedIsEmpty(inspection: Inspection): Promise<Verdict> {
  const { catalog } = inspection
  const patients = catalog.tables.get('patient.patients')
  const encrypted = [...(patients?.columns.keys() ?? [])].filter((column) => /_(enc|bidx)$/.test(column))
  const offenders = await rowsOfTenants<{ offender: string }>(
    inspection,
    `select 'patient ' || p.id as offender
     from patient.patients p
     where p.tenant_id = $1 and p.delete_reason = 'erasure' and num_nonnulls(${encrypted.join(', ')}) > 0
     union all
     select 'key ' || k.kid
     from compliance.erasure_log e
     join core.encryption_keys k on k.tenant_id = e.tenant_id and k.kid = e.key_kid_destroyed
     where e.tenant_id = $1 and k.wrapped_key is not null`,
  )
  const counts = await rowsOfTenants<{ n: number }>(
    inspection,
    `select count(*)::int as n from compliance.erasure_log where tenant_id = $1`,
  )
  const looked = `${counts.reduce((sum, { n }) => sum + n, 0)} proofs of erasure`
  return offenders.length > 0
    ? fail(
        looked,
        offenders.map(({ offender }) => offender),
      )
    : pass(looked)
}
