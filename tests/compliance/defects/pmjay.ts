import type { Defect, Harmless } from './defect.ts'
import { asTenant, behindTriggers, copyRows, rewrite } from './statements.ts'

const tenant = 'da000000-0000-7000-8000-000000000000'
const asha = `'${tenant}'`
const scheme = `'00000000-0b00-7000-8000-000000000001'`
const stay = `'da000000-0017-7000-8000-000000000012'`

/** The case of the story, which was paid, and the emergency under treatment from another state. */
const paidCase = `tenant_id = ${asha} and encounter_id = ${stay}`
const liveCase = `tenant_id = ${asha} and is_portability`
const claimOfCase = `tenant_id = ${asha} and use = 'claim' and case_id is not null`
const queryOfCase = `tenant_id = ${asha} and status = 'closed'`
const payersBill = `
  select l.id
  from billing.payment_allocations l
  join billing.invoices i on i.tenant_id = l.tenant_id and i.id = l.invoice_id
  join billing.accounts a on a.tenant_id = i.tenant_id and a.id = i.account_id
  where l.tenant_id = ${asha} and a.encounter_id = ${stay}
  limit 1`

const stages = (value: string) =>
  asTenant(
    tenant,
    `insert into core.system_settings (tenant_id, key, value, value_type, description)
     values (${asha}, 'insurance.authentication_stages', '${value}', 'json', 'of the tenant')`,
  )

const itemCheck = (from: string, to: string) => rewrite('insurance.check_claim_item()', from, to)

export const defects: readonly Defect[] = [
  {
    name: 'back-dating is not checked',
    rule: 'PMJ-01',
    sql: 'drop trigger pmjay_cases_backdating on insurance.pmjay_cases;',
  },
  {
    name: 'the check of back-dating is switched off',
    rule: 'PMJ-01',
    sql: 'alter table insurance.pmjay_cases disable trigger pmjay_cases_backdating;',
  },
  {
    name: 'back-dating by twice the days of the payer',
    rule: 'PMJ-01',
    sql: rewrite('insurance.check_backdating()', 'make_interval(days => v_days)', 'make_interval(days => 2 * v_days)'),
  },
  { name: 'a tenant asks for no authentication', rule: 'PMJ-02', sql: stages('{}') },
  {
    name: 'claims need no authentication',
    rule: 'PMJ-02',
    sql: stages('{"preauthorization": "preauthorization"}'),
  },
  {
    name: 'an authentication of any stage will do',
    rule: 'PMJ-02',
    sql: rewrite(
      'insurance.check_authenticated(insurance.insurance_claims)',
      'a.stage = v_stage and',
      'a.stage is not null and',
    ),
  },
  {
    name: 'pre-authorisations are submitted without looking at the authentication',
    rule: 'PMJ-02',
    sql: rewrite(
      'insurance.submit_preauth(uuid)',
      'perform insurance.check_authenticated(v_claim);',
      'perform 1; -- skipped',
    ),
  },
  {
    name: 'treatment begins without an approval',
    rule: 'PMJ-03',
    sql: rewrite('insurance.start_treatment(uuid)', `v_case.status in ('registered', 'identity_verified')`, 'false'),
  },
  {
    name: 'claims of what was not approved',
    rule: 'PMJ-03',
    sql: rewrite(
      'insurance.check_items_approved(insurance.insurance_claims)',
      `and not coalesce(b.approval_not_required, false)`,
      'and false',
    ),
  },
  {
    name: 'an emergency waits for its approval',
    rule: 'PMJ-03',
    sql: rewrite(
      'insurance.start_treatment(uuid)',
      `v_case.telephonic and v_case.admission_type = 'emergency'`,
      'false',
    ),
  },
  {
    name: 'nobody looked whether the papers were there',
    rule: 'PMJ-04',
    sql: behindTriggers(
      `delete from clinical.stg_compliance_results where tenant_id = ${asha} and claim_id in (select id from insurance.insurance_claims where ${claimOfCase})`,
    ),
  },
  {
    name: 'a paper was missing',
    rule: 'PMJ-04',
    sql: behindTriggers(
      `update clinical.stg_compliance_results set outcome = 'missing_data' where tenant_id = ${asha} and claim_id is not null`,
    ),
  },
  {
    name: 'a file name twice in a case',
    rule: 'PMJ-05',
    sql: 'alter table insurance.claim_documents drop constraint claim_documents_filename_once_per_case;',
  },
  {
    name: 'a file name once in a submission, not in a case',
    rule: 'PMJ-05',
    sql: `
      alter table insurance.claim_documents drop constraint claim_documents_filename_once_per_case;
      alter table insurance.claim_documents add unique (tenant_id, case_id, claim_id, filename);`,
  },
  {
    name: 'lines are not checked',
    rule: 'PMJ-06',
    sql: 'drop trigger insurance_claim_items_package on insurance.insurance_claim_items;',
  },
  {
    name: 'medical beside surgical',
    rule: 'PMJ-06',
    sql: itemCheck(`p.procedure_type <> v_package.procedure_type`, 'false'),
  },
  {
    name: 'more blocked than the sum insured',
    rule: 'PMJ-07',
    sql: behindTriggers(`update insurance.pmjay_cases set wallet_blocked = 600000 where ${paidCase}`),
  },
  {
    name: 'approvals hold more than the balance',
    rule: 'PMJ-07',
    sql: behindTriggers(
      `update insurance.insurance_claims set status = 'approved', wallet_hold = 900000 where ${claimOfCase}`,
    ),
  },
  {
    name: 'more approved than claimed',
    rule: 'PMJ-07',
    sql: `
      alter table insurance.insurance_claims drop constraint insurance_claims_approved_within_claimed;
      ${behindTriggers(`update insurance.insurance_claims set total_approved = total_claimed + 1 where ${claimOfCase}`)}`,
  },
  {
    name: 'a case does not know what its submissions hold',
    rule: 'PMJ-07',
    sql: behindTriggers(`update insurance.pmjay_cases set wallet_blocked = 100 where ${liveCase}`),
  },
  { name: 'any quantity', rule: 'PMJ-08', sql: itemCheck('new.quantity > v_package.quantity_allowed', 'false') },
  {
    name: 'any number of implants',
    rule: 'PMJ-08',
    sql: itemCheck('new.implant_count > v_package.maximum_implants_allowed', 'false'),
  },
  {
    name: 'implants where none is allowed',
    rule: 'PMJ-08',
    sql: itemCheck('new.implant_count > 0 and not v_package.implant_applicable', 'false'),
  },
  {
    name: 'several strata where one is allowed',
    rule: 'PMJ-08',
    sql: itemCheck('v_strata > 1 and not v_package.multiple_stratification_allowed', 'false'),
  },
  { name: 'any cycle', rule: 'PMJ-08', sql: itemCheck('new.cycle_no > v_package.maximum_cycles_allowed', 'false') },
  {
    name: 'the check of lines is switched off',
    rule: 'PMJ-08',
    sql: 'alter table insurance.insurance_claim_items disable trigger insurance_claim_items_package;',
  },
  {
    name: 'a private hospital claims a reserved package',
    rule: 'PMJ-09',
    sql: `update insurance.benefit_packages set govt_reserved = true where tenant_id = ${asha} and package_code = 'MG901';`,
  },
  {
    name: 'a reserved package is not refused',
    rule: 'PMJ-09',
    sql: itemCheck('v_package.govt_reserved and not exists', 'false and not exists'),
  },
  {
    name: 'every package is enhanced',
    rule: 'PMJ-10',
    sql: rewrite(
      'insurance.follow_parent(insurance.insurance_claims, text)',
      'and not b.enhancement_allowed',
      'and false',
    ),
  },
  {
    name: 'late claims without a reason',
    rule: 'PMJ-11',
    sql: 'alter table insurance.insurance_claims drop constraint insurance_claims_late_has_reason;',
  },
  {
    name: 'claims without a day until which they are due',
    rule: 'PMJ-11',
    sql: 'alter table insurance.insurance_claims drop constraint insurance_claims_submitted_claim_has_limit;',
  },
  {
    name: 'a query of a case is open after its time',
    rule: 'PMJ-12',
    sql: behindTriggers(
      `update insurance.payer_queries set status = 'open', raised_at = now() - interval '9 days', due_at = now() - interval '2 days' where ${queryOfCase}`,
    ),
  },
  {
    name: 'a query is open although its submission was decided',
    rule: 'PMJ-12',
    sql: behindTriggers(`update insurance.payer_queries set status = 'open' where ${queryOfCase}`),
  },
  {
    name: 'a query was answered late',
    rule: 'PMJ-12',
    sql: behindTriggers(
      `update insurance.payer_queries set raised_at = now() - interval '9 days', due_at = now() - interval '8 days' where ${queryOfCase}`,
    ),
  },
  {
    name: 'a summary becomes final although the guideline failed',
    rule: 'PMJ-13',
    sql: 'alter table clinical.discharge_summaries drop constraint discharge_summaries_final_meets_guidelines;',
  },
  {
    name: 'claims do not look at the summary',
    rule: 'PMJ-13',
    sql: rewrite(
      'insurance.check_discharge_summary(insurance.insurance_claims)',
      `v_summary.status <> 'final' or`,
      'false and',
    ),
  },
  {
    name: 'an event is missing',
    rule: 'PMJ-14',
    sql: behindTriggers(
      `delete from insurance.adjudication_events where tenant_id = ${asha} and claim_id is null and to_status = 'discharged'`,
    ),
  },
  {
    name: 'an event came twice',
    rule: 'PMJ-14',
    sql: behindTriggers(
      copyRows('insurance.adjudication_events', `tenant_id = ${asha} and to_status = 'paid' and claim_id is null`, {
        id: 'gen_random_uuid()',
      }),
    ),
  },
  {
    name: 'a submission was moved behind the operations',
    rule: 'PMJ-14',
    sql: behindTriggers(
      `update insurance.insurance_claims set status = 'expired' where tenant_id = ${asha} and status = 'rejected'`,
    ),
  },
  {
    name: 'a case was moved behind the operations',
    rule: 'PMJ-14',
    sql: behindTriggers(`update insurance.pmjay_cases set status = 'closed' where ${paidCase}`),
  },
  {
    name: 'portability has the clock of everybody',
    rule: 'PMJ-15',
    sql: rewrite(
      'insurance.settle_days(insurance.insurance_claims)',
      'coalesce(p.portability_settle_days, p.settle_days)',
      'p.settle_days',
    ),
  },
  {
    name: 'the payer has no clock for portability',
    rule: 'PMJ-15',
    sql: `update insurance.payers set portability_settle_days = null where id = ${scheme};`,
  },
  {
    name: 'portability is whatever somebody says',
    rule: 'PMJ-15',
    sql: 'alter table insurance.pmjay_cases drop constraint pmjay_cases_portability_is_another_state;',
  },
  {
    name: "the patient paid the scheme's bill",
    rule: 'PMJ-16',
    sql: behindTriggers(
      `update billing.payment_allocations set claim_payment_id = null, payment_id = (select p.id from payment.payments p where p.tenant_id = ${asha} limit 1) where tenant_id = ${asha} and id = (${payersBill})`,
    ),
  },
  {
    name: 'the patient paid a bill that holds charges of the package',
    rule: 'PMJ-16',
    sql: behindTriggers(
      `update billing.payment_allocations set claim_payment_id = null, payment_id = (select p.id from payment.payments p where p.tenant_id = ${asha} limit 1) where tenant_id = ${asha} and id = (${payersBill})`,
      `update billing.invoices set payer_id = null where tenant_id = ${asha} and id = (select l.invoice_id from billing.payment_allocations l where l.tenant_id = ${asha} and l.id = (${payersBill}))`,
    ),
  },
  {
    name: 'several open cases of a beneficiary',
    rule: 'PMJ-17',
    sql: 'drop index insurance.pmjay_cases_one_live_per_beneficiary;',
  },
  {
    name: 'one open case of a beneficiary, once it is identified',
    rule: 'PMJ-17',
    sql: `
      drop index insurance.pmjay_cases_one_live_per_beneficiary;
      create unique index pmjay_cases_one_live_per_beneficiary on insurance.pmjay_cases (tenant_id, coverage_id, patient_id)
        where status not in ('registered', 'paid', 'closed', 'cancelled');`,
  },
  {
    name: 'one open case of an encounter only',
    rule: 'PMJ-17',
    sql: `
      drop index insurance.pmjay_cases_one_live_per_beneficiary;
      create unique index pmjay_cases_one_live_per_beneficiary
        on insurance.pmjay_cases (tenant_id, coverage_id, patient_id, encounter_id)
        where status not in ('paid', 'closed', 'cancelled');`,
  },
  {
    name: 'an implant without UDI and sticker',
    rule: 'PMJ-18',
    sql: behindTriggers(
      `update clinical.implants set udi = null, sticker_document_id = null where tenant_id = ${asha}`,
    ),
  },
  {
    name: 'more implants claimed than there are',
    rule: 'PMJ-18',
    sql: behindTriggers(
      `update insurance.insurance_claim_items set implant_count = 2 where tenant_id = ${asha} and implant_count = 1`,
    ),
  },
  {
    name: 'any word for how a patient left',
    rule: 'PMJ-19',
    sql: 'alter table clinical.discharge_summaries drop constraint discharge_summaries_discharge_kind_check;',
  },
  {
    name: 'nobody may leave against advice',
    rule: 'PMJ-19',
    sql: `
      alter table clinical.discharge_summaries drop constraint discharge_summaries_discharge_kind_check;
      alter table clinical.discharge_summaries add constraint discharge_summaries_discharge_kind_check
        check (discharge_kind in ('normal', 'transfer', 'death'));`,
  },
  {
    name: 'newborns without their mother',
    rule: 'PMJ-20',
    sql: 'alter table insurance.pmjay_cases drop constraint pmjay_cases_newborn_names_mother;',
  },
  {
    name: 'newborns without their mother, for old rows',
    rule: 'PMJ-20',
    sql: `
      alter table insurance.pmjay_cases drop constraint pmjay_cases_newborn_names_mother;
      alter table insurance.pmjay_cases add constraint pmjay_cases_newborn_names_mother
        check (not is_newborn or mother_case_id is not null) not valid;`,
  },
  {
    name: 'a field of the case is gone',
    rule: 'PMJ-21',
    sql: 'alter table insurance.pmjay_cases drop column feedback;',
  },
  {
    name: 'a field has another name',
    rule: 'PMJ-21',
    sql: 'alter table insurance.adjudication_events rename column actor_role to role;',
  },
  {
    name: 'a field has another type',
    rule: 'PMJ-21',
    sql: 'alter table insurance.payer_queries alter column requested_documents type text;',
  },
  {
    name: 'queries lapse after five days, whatever the payer says',
    rule: 'PMJ-22',
    sql: rewrite('insurance.lapse_queries(integer)', 'q.due_at <= now()', `q.raised_at <= now() - interval '5 days'`),
  },
  {
    name: 'fifteen days to settle, whatever the payer says',
    rule: 'PMJ-22',
    sql: rewrite(
      'insurance.send_again(insurance.insurance_claims, text)',
      'make_interval(days => insurance.settle_days(p_claim))',
      'make_interval(days => 15)',
    ),
  },
  {
    name: 'seven days to claim, in a new function',
    rule: 'PMJ-22',
    sql: `
      create function insurance.is_late(p_left_on date) returns boolean language sql stable
        as $$ select p_left_on < current_date - 7 $$;`,
  },
  {
    name: 'a view with hours of its own',
    rule: 'PMJ-22',
    sql: `
      create view insurance.late_queries with (security_invoker = true) as
        select q.tenant_id, q.id from insurance.payer_queries q where q.raised_at < now() - interval '120 hours';`,
  },
]

export const harmless: readonly Harmless[] = [
  {
    name: 'another index on cases',
    sql: 'create index pmjay_cases_hospital on insurance.pmjay_cases (tenant_id, hospital_code);',
  },
  { name: 'another column of cases', sql: 'alter table insurance.pmjay_cases add column ward_code text;' },
  {
    name: 'another text in a comment',
    sql: `comment on column insurance.pmjay_cases.home_state is 'class=operational;about=State that the beneficiary is of.';`,
  },
  {
    name: 'constraints have other names',
    sql: `
      alter table insurance.pmjay_cases rename constraint pmjay_cases_newborn_names_mother to newborn_has_mother;
      alter table insurance.insurance_claims rename constraint insurance_claims_late_has_reason to claims_late_reason;
      alter table insurance.claim_documents rename constraint claim_documents_filename_once_per_case to file_once;`,
  },
  {
    name: 'the index of open cases has another name',
    sql: `
      alter index insurance.pmjay_cases_one_live_per_beneficiary rename to pmjay_cases_one_open;`,
  },
  {
    name: 'the index of open cases has its columns in another order',
    sql: `
      drop index insurance.pmjay_cases_one_live_per_beneficiary;
      create unique index pmjay_cases_one_live_per_beneficiary on insurance.pmjay_cases (tenant_id, patient_id, coverage_id)
        where status not in ('cancelled', 'closed', 'paid');`,
  },
  {
    name: 'triggers have other names',
    sql: `
      alter trigger pmjay_cases_backdating on insurance.pmjay_cases rename to pmjay_cases_check_date;
      alter trigger insurance_claim_items_package on insurance.insurance_claim_items rename to insurance_claim_items_limits;`,
  },
  {
    name: 'another check on cases',
    sql: 'alter table insurance.pmjay_cases add check (length(hospital_code) <= 40);',
  },
  {
    name: 'one word more for how a patient left',
    sql: `
      alter table clinical.discharge_summaries drop constraint discharge_summaries_discharge_kind_check;
      alter table clinical.discharge_summaries add constraint discharge_summaries_discharge_kind_check
        check (discharge_kind in ('normal', 'lama', 'dama', 'transfer', 'death', 'absconded', 'day_care'));`,
  },
  {
    name: 'a field may be longer',
    sql: 'alter table insurance.insurance_claim_items alter column approved_quantity type numeric(10, 2);',
  },
  {
    name: 'the payer changed its limits by circular',
    sql: `
      update insurance.payers
      set claim_submit_days = 10, settle_days = 20, portability_settle_days = 45, query_response_hours = 96
      where id = ${scheme};`,
  },
  {
    name: 'a tenant authenticates claims at admission as well',
    sql: stages('{"preauthorization": "preauthorization", "claim": "claim", "predetermination": "admission"}'),
  },
  {
    name: 'the guideline asks for one paper more from today on',
    sql: `
      insert into clinical.stg_criteria (tenant_id, guideline_id, seq, stage, kind, code, text, document_type, created_at)
      select g.tenant_id, g.id, 90, 'claim', 'document', 'NEW', 'A new paper', 'new_paper', clock_timestamp()
      from clinical.stg_guidelines g where g.status = 'active';`,
  },
  {
    name: 'a paper that was missing was waived',
    sql: behindTriggers(
      `update clinical.stg_compliance_results set outcome = 'missing_data', waived_by = (select d.id from workforce.doctors d where d.tenant_id = ${asha} limit 1), waiver_reason = 'it was lost' where tenant_id = ${asha} and claim_id is not null`,
    ),
  },
  {
    name: 'a public hospital claims a reserved package',
    sql: `${asTenant(tenant, `update facility.clinics set ownership = 'public' where tenant_id = ${asha}`)}
      update insurance.benefit_packages set govt_reserved = true where tenant_id = ${asha} and package_code = 'MG901';`,
  },
  {
    name: 'a package more, reserved for public hospitals',
    sql: `${copyRows('insurance.benefit_packages', `tenant_id = ${asha} and package_code = 'MG901'`, {
      id: 'gen_random_uuid()',
      package_code: `'MG902'::text`,
      govt_reserved: 'true',
    })};`,
  },
  {
    name: 'a query of a case lapsed with its submission',
    sql: behindTriggers(
      `update insurance.payer_queries set status = 'lapsed', answered_at = null, raised_at = now() - interval '9 days', due_at = now() - interval '2 days' where ${queryOfCase}`,
    ),
  },
  {
    name: 'an answer that moved nothing left its event',
    sql: asTenant(
      tenant,
      copyRows(
        'insurance.adjudication_events',
        `tenant_id = ${asha} and to_status = 'rejected' and claim_id is not null`,
        {
          id: 'gen_random_uuid()',
          from_status: `'rejected'::text`,
        },
      ),
    ),
  },
  {
    name: 'a draft is made by an operation',
    sql: asTenant(
      tenant,
      `select insurance.draft_claim(jsonb_build_object('encounter_id', e.encounter_id, 'coverage_id', e.id, 'channel', 'portal', 'use', 'predetermination')) from (select c.id, x.id as encounter_id from insurance.coverages c join clinical.encounters x on x.tenant_id = c.tenant_id and x.patient_id = c.patient_id where c.tenant_id = ${asha} and c.status = 'active' limit 1) e`,
    ),
  },
  {
    name: 'a case is paid and closed',
    sql: asTenant(tenant, `select insurance.close_case(id) from insurance.pmjay_cases where ${paidCase}`),
  },
  {
    name: 'the emergency is discharged',
    sql: asTenant(tenant, `select insurance.discharge_case(id) from insurance.pmjay_cases where ${liveCase}`),
  },
  {
    name: 'the patient pays the part of a bill that the payer does not',
    sql: behindTriggers(
      `update billing.payment_allocations set claim_payment_id = null, payment_id = (select p.id from payment.payments p where p.tenant_id = ${asha} limit 1) where tenant_id = ${asha} and id = (${payersBill})`,
      `update billing.invoices set payer_id = null where tenant_id = ${asha} and id = (select l.invoice_id from billing.payment_allocations l where l.tenant_id = ${asha} and l.id = (${payersBill}))`,
      `update billing.charge_items set package_charge_item_id = null where tenant_id = ${asha} and encounter_id = ${stay}`,
    ),
  },
  {
    name: 'an implant has a sticker instead of a UDI',
    sql: behindTriggers(`update clinical.implants set udi = null where tenant_id = ${asha}`),
  },
  {
    name: 'a draft claims more implants',
    sql: behindTriggers(
      `update insurance.insurance_claims set status = 'draft' where false`,
      copyRows(
        'insurance.insurance_claim_items',
        `tenant_id = ${asha} and implant_count = 1 and claim_id in (select id from insurance.insurance_claims where use = 'preauthorization')`,
        {
          id: 'gen_random_uuid()',
          seq: '9',
          code: `'MORE-CLIPS'::text`,
        },
      ),
    ),
  },
  {
    name: 'a function whose comment names a number of days',
    sql: rewrite('insurance.lapse_queries(integer)', 'declare', `declare -- once it was interval '5 days' here`),
  },
  {
    name: 'the payer told a lower balance',
    sql: asTenant(
      tenant,
      `update insurance.coverages set balance = 1000, balance_checked_at = now() where tenant_id = ${asha} and payer_id = ${scheme} and balance is not null`,
    ),
  },
  {
    name: 'the check of lines says the same in other words',
    sql: itemCheck('new.quantity > v_package.quantity_allowed', 'not new.quantity <= v_package.quantity_allowed'),
  },
]
