import type { Defect, Harmless } from './defect.ts'
import { asAdministrator, behindTriggers } from './statements.ts'

const definer = 'security definer set search_path = pg_catalog, pg_temp'

export const defects: readonly Defect[] = [
  {
    name: 'data may be used without a notice',
    rule: 'DPD-01',
    sql: `alter table compliance.consents drop constraint consents_data_processing_after_notice;`,
  },
  {
    name: 'a notice needs no text',
    rule: 'DPD-01',
    sql: `alter table compliance.consent_notices alter column body drop not null;`,
  },
  {
    name: 'a notice is there in the local language only',
    rule: 'DPD-02',
    sql: behindTriggers(
      `delete from compliance.consent_notices where tenant_id is not null and code = 'care' and locale = 'en';`,
    ),
  },
  {
    name: 'a new language is offered and no notice is written in it',
    rule: 'DPD-02',
    sql: behindTriggers(
      `update core.system_settings set value = '["en", "hi", "ta"]' where key = 'compliance.notice_locales' and tenant_id = 'da000000-0000-7000-8000-000000000000';`,
    ),
  },
  {
    name: 'a withdrawn consent still counts',
    rule: 'DPD-03',
    sql: `create or replace function compliance.active_consent(p_patient_id uuid, p_kind text, p_purpose text default null) returns uuid language sql stable ${definer} as $$ select c.id from compliance.consents c where c.tenant_id = core.require_tenant() and c.patient_id = p_patient_id and c.kind = p_kind and c.decision = 'permit' order by c.given_at desc limit 1 $$;`,
  },
  {
    name: 'messages go on after the consent to them was withdrawn',
    rule: 'DPD-03',
    sql: `create or replace function compliance.stop_what_rests_on(p_tenant_id uuid, p_consent_id uuid) returns void language plpgsql as 'begin null; end';`,
  },
  {
    name: 'records were read for research on no basis',
    rule: 'DPD-04',
    sql: behindTriggers(`
insert into audit.phi_access_logs (tenant_id, resource_type, access_kind, purpose_of_use)
values ('da000000-0000-7000-8000-000000000000', 'Patient', 'list', 'HRESCH');`),
  },
  {
    name: 'a record left the house on no basis',
    rule: 'DPD-04',
    sql: behindTriggers(`
alter table audit.phi_access_logs drop constraint phi_access_logs_disclosure_has_basis;
update audit.phi_access_logs set legal_basis = null, consent_id = null where access_kind = 'disclosure';`),
  },
  {
    name: 'the phone number of a contact stands in clear',
    rule: 'DPD-05',
    sql: `
alter table patient.patient_contacts add column mobile text;
comment on column patient.patient_contacts.mobile is 'class=phi;about=Mobile number.';`,
  },
  {
    name: 'a new table keeps addresses in clear',
    rule: 'DPD-05',
    sql: `
create table clinical.home_visits (tenant_id uuid not null, id uuid not null, postal_address text not null, primary key (tenant_id, id));
comment on table clinical.home_visits is 'class=phi;scope=tenant;about=Visits.';`,
  },
  {
    name: 'row level security is off on consents',
    rule: 'DPD-06',
    sql: `alter table compliance.consents disable row level security;`,
  },
  {
    name: 'a policy opens requests of persons to everybody',
    rule: 'DPD-06',
    sql: `create policy helpdesk on compliance.data_principal_requests for select using (true);`,
  },
  {
    name: 'access logs may be kept for a month',
    rule: 'DPD-07',
    sql: `
alter table compliance.retention_policies drop constraint retention_policies_logs_a_year;
alter table compliance.retention_policies add constraint retention_policies_logs_a_year check (minimum_log_days >= 30);`,
  },
  {
    name: 'months of the log may be dropped after a year',
    rule: 'DPD-07',
    sql: `create or replace function audit.drop_expired_partitions(p_keep interval default interval '1 year') returns text[] language plpgsql ${definer} as $$ begin if p_keep < interval '1 year' then raise exception 'too young' using errcode = 'IM006'; end if; return '{}'; end $$;`,
  },
  {
    name: 'no backup was restored for four months',
    rule: 'DPD-08',
    sql: behindTriggers(
      `update compliance.compliance_checks set ran_at = now() - interval '120 days' where rule_id = 'HIP-25';`,
    ),
  },
  {
    name: 'the contract of a processor has run out',
    rule: 'DPD-09',
    sql: behindTriggers(
      `update compliance.data_processors set signed_on = '2020-01-01', expires_on = current_date - 1 where status = 'active';`,
    ),
  },
  {
    name: 'the Board had the details after four days',
    rule: 'DPD-10',
    sql: behindTriggers(
      `update compliance.breaches set board_detailed_at = discovered_at + interval '96 hours' where status = 'closed';`,
    ),
  },
  {
    name: 'the Board waits for the details of an open breach',
    rule: 'DPD-10',
    sql: behindTriggers(
      `update compliance.breaches set discovered_at = now() - interval '5 days', cert_in_reported_at = now() - interval '5 days' where status = 'open';`,
    ),
  },
  {
    name: 'a breach was closed and somebody was not told',
    rule: 'DPD-10',
    sql: behindTriggers(
      `update compliance.breach_affected_persons set notified_at = null where breach_id in (select id from compliance.breaches where status = 'closed');`,
    ),
  },
  {
    name: 'a breach closes before everybody was told',
    rule: 'DPD-10',
    sql: `drop trigger breaches_everybody_told on compliance.breaches;`,
  },
  {
    name: 'CERT-In was told after a day',
    rule: 'DPD-11',
    sql: behindTriggers(
      `update compliance.breaches set cert_in_reported_at = discovered_at + interval '1 day' where status = 'closed';`,
    ),
  },
  {
    name: 'CERT-In was not told of an open breach',
    rule: 'DPD-11',
    sql: behindTriggers(
      `update compliance.breaches set discovered_at = now() - interval '7 hours' where status = 'open';`,
    ),
  },
  {
    name: 'the record of somebody who was here ten years ago is still there',
    rule: 'DPD-12',
    sql: behindTriggers(
      `update patient.patients set deleted_at = null, delete_reason = null, deleted_by = null where delete_reason = 'erasure';`,
    ),
  },
  {
    name: 'a log holds rows of ten years ago, and no hold keeps them',
    rule: 'DPD-12',
    sql: behindTriggers(
      `delete from compliance.legal_holds;`,
      `
insert into audit.audit_logs (tenant_id, occurred_at, action, schema_name, table_name)
values ('da000000-0000-7000-8000-000000000000', now() - interval '10 years', 'login', 'auth', 'users');`,
    ),
  },
  {
    name: 'nothing says how long records are kept',
    rule: 'DPD-12',
    sql: behindTriggers(`delete from compliance.retention_policies;`),
  },
  {
    name: 'a policy erases at once',
    rule: 'DPD-13',
    sql: `alter table compliance.erasure_log drop constraint erasure_log_notice_48_hours_before;`,
  },
  {
    name: 'a policy erases without telling anybody',
    rule: 'DPD-13',
    sql: `alter table compliance.erasure_log drop constraint erasure_log_policy_with_notice;`,
  },
  {
    name: 'a person is told an hour before',
    rule: 'DPD-13',
    sql: `
alter table compliance.erasure_log drop constraint erasure_log_notice_48_hours_before;
alter table compliance.erasure_log add constraint erasure_log_notice_before check (notice_sent_at <= executed_at - interval '1 hour');`,
  },
  {
    name: 'a policy may erase after a month',
    rule: 'DPD-14',
    sql: `
alter table compliance.retention_policies drop constraint retention_policies_nothing_before_a_year;
alter table compliance.retention_policies add constraint retention_policies_nothing_early check (keep_for >= interval '1 month');`,
  },
  {
    name: 'a child consents',
    rule: 'DPD-15',
    sql: `drop trigger consents_by_who_may on compliance.consents;`,
  },
  {
    name: 'children of ten are adults',
    rule: 'DPD-15',
    sql: behindTriggers(`update core.system_settings set value = '8' where key = 'compliance.majority_age';`),
  },
  {
    name: 'anybody is a guardian',
    rule: 'DPD-15',
    sql: `create or replace function compliance.check_consent() returns trigger language plpgsql ${definer} as $$ begin if new.given_by = 'patient' and compliance.is_minor(new.tenant_id, new.patient_id, new.given_at) then raise exception 'a minor' using errcode = 'IM913'; end if; return new; end $$;`,
  },
  {
    name: 'a child was treated and nobody consented',
    rule: 'DPD-16',
    sql: behindTriggers(`delete from compliance.consents where given_by = 'guardian';`),
  },
  {
    name: 'the export leaves samples out',
    rule: 'DPD-17',
    sql: `revoke select on laboratory.samples from lab_app, business_app, business_owner;`,
  },
  {
    name: 'the export leaves out what is not in a list',
    rule: 'DPD-17',
    sql: `create or replace function compliance.export_person(p_patient_id uuid) returns jsonb language sql as $$ select jsonb_build_object('row_count', 1, 'not_readable', '[]'::jsonb, 'tables', jsonb_build_object('patient.patients', jsonb_agg(to_jsonb(p)))) from patient.patients p where p.id = p_patient_id $$;`,
  },
  {
    name: 'a table of persons is no longer enrolled',
    rule: 'DPD-17',
    sql: `comment on table clinical.conditions is 'class=phi;owner=clinical;about=Diagnoses.';`,
  },
  {
    name: 'a grievance may take a year',
    rule: 'DPD-18',
    sql: `alter table compliance.data_principal_requests drop constraint data_principal_requests_grievance_in_90_days;`,
  },
  {
    name: 'a request was not answered in time',
    rule: 'DPD-18',
    sql: behindTriggers(
      `update compliance.data_principal_requests set received_at = now() - interval '40 days', due_at = now() - interval '10 days' where kind = 'correction';`,
    ),
  },
  {
    name: 'a request was answered late',
    rule: 'DPD-18',
    sql: behindTriggers(
      `update compliance.data_principal_requests set completed_at = due_at + interval '1 day' where kind = 'access';`,
    ),
  },
  {
    name: 'a processor may be anywhere',
    rule: 'DPD-19',
    sql: `drop trigger data_processors_in_allowed_country on compliance.data_processors;`,
  },
  {
    name: 'a processor is in a country that was restricted later',
    rule: 'DPD-19',
    sql: behindTriggers(
      `update core.system_settings set value = '["SG"]' where key = 'compliance.restricted_countries' and tenant_id is null;`,
    ),
  },
  {
    name: 'the data of a tenant lies in a restricted country',
    rule: 'DPD-19',
    sql: behindTriggers(`
update core.system_settings set value = '["KP"]' where key = 'compliance.restricted_countries' and tenant_id is null;
update core.tenants set data_region = 'kp-north-1' where id = 'da000000-0000-7000-8000-000000000000';`),
  },
  {
    name: 'a read needs no purpose',
    rule: 'DPD-20',
    sql: `alter table audit.phi_access_logs alter column purpose_of_use drop not null;`,
  },
  {
    name: 'a read may be for anything',
    rule: 'DPD-20',
    sql: `alter table audit.phi_access_logs drop constraint phi_access_logs_purpose_known;`,
  },
  {
    name: 'a column keeps Aadhaar numbers encrypted',
    rule: 'DPD-21',
    sql: `alter table patient.patients add column aadhaar_enc bytea;`,
  },
  {
    name: 'an Aadhaar number stands in a note',
    rule: 'DPD-21',
    sql: behindTriggers(
      `update clinical.encounters set referred_by = 'card 2341 2341 2346' where id = 'da000000-0017-7000-8000-000000000012';`,
    ),
  },
  {
    name: 'an Aadhaar number stands in a document of settings',
    rule: 'DPD-21',
    sql: behindTriggers(
      `update audit.audit_logs set new_values = '{"id": "234123412346"}' where seq = (select max(seq) from audit.audit_logs);`,
    ),
  },
  {
    name: 'nothing is taken for an Aadhaar number any more',
    rule: 'DPD-21',
    sql: `create or replace function core.looks_like_aadhaar(p_text text) returns boolean language sql immutable as 'select false';`,
  },
  {
    name: 'medical records may go after two years',
    rule: 'DPD-22',
    sql: `
alter table compliance.retention_policies drop constraint retention_policies_medical_record_3_years;
alter table compliance.retention_policies add constraint retention_policies_medical_record_3_years check (class <> 'medical_record' or keep_for >= interval '2 years');`,
  },
  {
    name: 'copies of records may take a month',
    rule: 'DPD-23',
    sql: `
alter table compliance.data_principal_requests drop constraint data_principal_requests_record_copy_in_72_hours;
alter table compliance.data_principal_requests add constraint data_principal_requests_record_copy_in_a_month check (kind <> 'record_copy' or due_at <= received_at + interval '30 days');`,
  },
  {
    name: 'a destroyed key can be given back',
    rule: 'DPD-24',
    sql: `drop trigger encryption_keys_transition on core.encryption_keys;`,
  },
  {
    name: 'destroying a key leaves the key',
    rule: 'DPD-24',
    sql: `
alter table core.encryption_keys drop constraint encryption_keys_destroyed_is_gone;
create or replace function core.shred_key(p_kid text, p_reason text) returns void language sql ${definer} as $$ update core.encryption_keys k set status = 'destroyed', destroyed_at = now(), destroy_reason = p_reason where k.tenant_id = core.require_tenant() and k.kid = p_kid $$;`,
  },
  {
    name: 'somebody who was erased has a mobile number',
    rule: 'DPD-24',
    sql: behindTriggers(
      `update patient.patients set mobile_enc = sha256('x'), mobile_bidx = sha256('y'), data_key_kid = 'demo-field-1' where delete_reason = 'erasure';`,
    ),
  },
  {
    name: 'the key of somebody who was erased is there again',
    rule: 'DPD-24',
    sql: behindTriggers(
      `update core.encryption_keys set wrapped_key = sha256('x'), status = 'active', destroyed_at = null where kid like 'demo-person-%';`,
    ),
  },
]

export const harmless: readonly Harmless[] = [
  {
    name: 'the check that asks for a notice has another name',
    sql: `alter table compliance.consents rename constraint consents_data_processing_after_notice to consents_after_notice;`,
  },
  {
    name: 'marketing needs a notice too',
    sql: `alter table compliance.consents add constraint consents_marketing_after_notice check (kind <> 'marketing' or notice_id is not null);`,
  },
  {
    name: 'a new version of a notice in both languages',
    sql: asAdministrator(`
select compliance.publish_notice('care', 'en', '{care,billing}', '{contact,health}', 'We keep your record.', 'desk', 'officer', 2);
select compliance.publish_notice('care', 'hi', '{care,billing}', '{contact,health}', 'We keep your record, in Hindi.', 'desk', 'officer', 2);`),
  },
  {
    name: 'a notice of next month in one language',
    sql: asAdministrator(
      `select compliance.publish_notice('research', 'en', '{research}', '{health}', 'We may ask you.', 'desk', 'officer', 1, now() + interval '1 month');`,
    ),
  },
  {
    name: 'a consent is withdrawn',
    sql: asAdministrator(
      `select compliance.withdraw_consent(c.id, 'no') from (select id from compliance.consents where tenant_id = 'da000000-0000-7000-8000-000000000000' and status = 'active' and kind = 'data_processing' and given_by = 'patient' order by id limit 1) as c;`,
    ),
  },
  {
    name: 'a read for research with a basis',
    sql: behindTriggers(`
insert into audit.phi_access_logs (tenant_id, resource_type, access_kind, purpose_of_use, legal_basis)
values ('da000000-0000-7000-8000-000000000000', 'Patient', 'list', 'HRESCH', 'ethics committee 12');`),
  },
  {
    name: 'one more encrypted contact',
    sql: `
alter table patient.patient_contacts add column email_enc bytea;
comment on column patient.patient_contacts.email_enc is 'class=phi;enc=1;about=E-mail address, encrypted.';`,
  },
  {
    name: 'the address of a machine',
    sql: `
alter table device.devices add column network_address text;
comment on column device.devices.network_address is 'class=operational;about=Address in the network.';`,
  },
  {
    name: 'logs are kept for two years at least',
    sql: `alter table compliance.retention_policies add constraint retention_policies_logs_two_years check (minimum_log_days >= 730) not valid;`,
  },
  {
    name: 'a tenant keeps records for ten years',
    sql: asAdministrator(
      `select compliance.set_retention('medical_record', '10 years', 'last_encounter', 'crypto_shred', 'decision of the board');`,
    ),
  },
  {
    name: 'a backup was restored today',
    sql: behindTriggers(`
insert into compliance.compliance_checks (tenant_id, run_id, rule_id, rule_version, regulation, target, outcome, evidence, tool_version)
values ('da000000-0000-7000-8000-000000000000', core.uuid_v7(), 'HIP-25', '1', 'hipaa', 'backup', 'pass', '{"checksum": "ab"}', 'manual');`),
  },
  {
    name: 'a processor ends',
    sql: asAdministrator(
      `select compliance.terminate_processor(p.id, 'over') from (select id from compliance.data_processors where tenant_id = 'da000000-0000-7000-8000-000000000000' and status = 'active') as p;`,
    ),
  },
  {
    name: 'a breach that was just discovered',
    sql: asAdministrator(`select compliance.open_breach('a lost key', '{contact}', '{door}');`),
  },
  {
    name: 'CERT-In is told of the open breach',
    sql: asAdministrator(
      `select compliance.record_breach_report(b.id, 'cert_in') from (select id from compliance.breaches where tenant_id = 'da000000-0000-7000-8000-000000000000' and status = 'open') as b;`,
    ),
  },
  {
    name: 'somebody who was here long ago is under a hold',
    sql: behindTriggers(`
update patient.patients set deleted_at = null, delete_reason = null, deleted_by = null where delete_reason = 'erasure';
insert into compliance.legal_holds (tenant_id, hold_number, patient_id, reason, placed_by)
select p.tenant_id, 'LH-PROBE', p.id, 'a dispute', (select u.id from auth.users u where u.tenant_id = p.tenant_id limit 1)
from patient.patients p where p.mrn like '%-000999';`),
  },
  {
    name: 'a person is told a week before',
    sql: `alter table compliance.erasure_log add constraint erasure_log_notice_a_week_before check (notice_sent_at <= executed_at - interval '7 days') not valid;`,
  },
  {
    name: 'the trigger of consents has another name',
    sql: `alter trigger consents_by_who_may on compliance.consents rename to consents_who;`,
  },
  {
    name: 'an adult consents',
    sql: asAdministrator(
      `select compliance.give_consent(p.id, 'photography') from (select id from patient.patients where tenant_id = 'da000000-0000-7000-8000-000000000000' and birth_date < now() - interval '30 years' and status = 'active' and deleted_at is null order by id limit 1) as p;`,
    ),
  },
  {
    name: 'persons come of age at 21',
    sql: behindTriggers(`update core.system_settings set value = '21' where key = 'compliance.majority_age';`),
  },
  {
    name: 'the exemption for children is on record',
    sql: behindTriggers(`
insert into core.system_settings (tenant_id, key, value, value_type, description)
values ('da000000-0000-7000-8000-000000000000', 'compliance.child_care_basis', '"DPDP Rules 2025, Fourth Schedule"', 'string', 'Why children are cared for without consent on record.');
delete from compliance.consents where given_by = 'guardian' and tenant_id = 'da000000-0000-7000-8000-000000000000';`),
  },
  {
    name: 'a new table of persons is exported from its first day',
    sql: `
create table clinical.home_visits (tenant_id uuid not null, id uuid not null default core.uuid_v7(), patient_id uuid not null, primary key (tenant_id, id), foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id));
comment on table clinical.home_visits is 'class=phi;scope=tenant;owner=clinical;retention=medical_record;about=Visits at home.';
alter table clinical.home_visits enable row level security;
alter table clinical.home_visits force row level security;
create policy tenant_isolation on clinical.home_visits using (tenant_id = (select core.current_tenant_id())) with check (tenant_id = (select core.current_tenant_id()));
grant select on clinical.home_visits to clinical_app;
insert into clinical.home_visits (tenant_id, patient_id) select e.tenant_id, e.patient_id from clinical.encounters e;`,
  },
  {
    name: 'a request is answered in time',
    sql: asAdministrator(`
select compliance.confirm_requester('da000000-1002-7000-8000-000000000005');
select compliance.complete_request('da000000-1002-7000-8000-000000000005', 'granted');`),
  },
  {
    name: 'grievances within 30 days',
    sql: `alter table compliance.data_principal_requests add constraint data_principal_requests_grievance_soon check (kind <> 'grievance' or due_at <= received_at + interval '30 days') not valid;`,
  },
  {
    name: 'a country is restricted where nobody is',
    sql: behindTriggers(
      `update core.system_settings set value = '["KP"]' where key = 'compliance.restricted_countries' and tenant_id is null;`,
    ),
  },
  {
    name: 'twelve digits that are no Aadhaar number',
    sql: behindTriggers(
      `update clinical.encounters set referred_by = 'ticket 2341 2341 2347' where id = 'da000000-0017-7000-8000-000000000012';`,
    ),
  },
  {
    name: 'a key is destroyed',
    sql: asAdministrator(`
insert into core.encryption_keys (tenant_id, kid, purpose, algorithm, wrapped_key, kms_ref, rotate_after, subject_type, subject_id)
values ('da000000-0000-7000-8000-000000000000', 'another', 'field', 'AES-256-GCM', sha256('x'), 'demo://no-key', '2100-01-01', 'patient', core.uuid_v7());
select core.shred_key('another', 'rotated away');`),
  },
]
