import type { Defect, Harmless } from './defect.ts'
import { asAdministrator, behindTriggers } from './statements.ts'

const application = `language sql security definer set search_path = pg_catalog, pg_temp`

export const defects: readonly Defect[] = [
  {
    name: 'row level security is off on discharge summaries',
    rule: 'HIP-01',
    sql: `alter table clinical.discharge_summaries disable row level security;`,
  },
  {
    name: 'a policy opens lab results to every tenant',
    rule: 'HIP-01',
    sql: `create policy research on laboratory.lab_results for select using (true);`,
  },
  {
    name: 'two users may have the same name',
    rule: 'HIP-02',
    sql: `alter table auth.users drop constraint if exists users_username_key;
drop index if exists auth.users_username_key;`,
  },
  {
    name: 'nobody knows who wrote an allergy',
    rule: 'HIP-02',
    sql: `alter table clinical.allergies drop column created_by;`,
  },
  {
    name: 'an emergency needs no open session',
    rule: 'HIP-03',
    sql: `alter table audit.phi_access_logs drop constraint phi_access_logs_break_glass_is_open;`,
  },
  {
    name: 'emergency access may last for weeks',
    rule: 'HIP-03',
    sql: `alter table audit.break_glass_sessions drop constraint break_glass_sessions_at_most_4_hours;`,
  },
  {
    name: 'emergency access leaves no session',
    rule: 'HIP-03',
    sql: `create or replace function audit.open_break_glass(p_patient_id uuid, p_reason_code text, p_reason_text text, p_duration interval default interval '1 hour') returns uuid ${application} as 'select core.uuid_v7()';`,
  },
  {
    name: 'a user reviews his own emergency access',
    rule: 'HIP-03',
    sql: `
alter table audit.break_glass_sessions drop constraint break_glass_sessions_reviewed_by_other;
create or replace function audit.review_break_glass(p_session uuid, p_outcome text) returns void ${application} as 'update audit.break_glass_sessions b set status = ''reviewed'', reviewed_by = b.user_id, reviewed_at = now(), review_outcome = p_outcome where b.id = p_session';`,
  },
  {
    name: 'a session never ends by itself',
    rule: 'HIP-04',
    sql: `alter table auth.sessions drop constraint sessions_idle_at_most_30_minutes;`,
  },
  {
    name: 'a session may lie unused for a day',
    rule: 'HIP-04',
    sql: `
alter table auth.sessions drop constraint sessions_idle_at_most_30_minutes;
alter table auth.sessions add constraint sessions_idle_at_most_30_minutes check (idle_expires_at <= last_seen_at + interval '24 hours');`,
  },
  {
    name: 'the mobile number stands in clear beside its ciphertext',
    rule: 'HIP-05',
    sql: `
alter table patient.patients add column mobile text;
comment on column patient.patients.mobile is 'class=phi;about=Mobile number.';`,
  },
  {
    name: 'an encrypted column is text',
    rule: 'HIP-05',
    sql: `
alter table workforce.staff add column bank_account_enc text;
comment on column workforce.staff.bank_account_enc is 'class=pii;enc=1;about=Bank account, encrypted.';`,
  },
  {
    name: 'an encrypted column is not marked',
    rule: 'HIP-05',
    sql: `comment on column patient.patients.address_enc is 'class=phi;about=Postal address.';`,
  },
  {
    name: 'a phone number was stored as it is',
    rule: 'HIP-06',
    sql: behindTriggers(
      `update workforce.staff set phone_enc = convert_to('+919876543210', 'UTF8') where id = 'da000000-0006-7000-8000-000000000004';`,
    ),
  },
  {
    name: 'changes of conditions are not logged',
    rule: 'HIP-07',
    sql: `drop trigger audit_update on clinical.conditions;`,
  },
  {
    name: 'deletions of invoices are not logged',
    rule: 'HIP-07',
    sql: `alter table billing.invoices disable trigger audit_delete;`,
  },
  {
    name: 'the log of changes of patients writes nothing',
    rule: 'HIP-07',
    sql: `create or replace function audit.log_patient_patients() returns trigger language plpgsql as 'begin return null; end';`,
  },
  {
    name: 'a read leaves no row',
    rule: 'HIP-08',
    sql: `create or replace function audit.log_access(p_resource_type text, p_resource_id uuid, p_patient_id uuid, p_access_kind text, p_fields text[] default null, p_row_count int default 1) returns void language plpgsql as 'begin null; end';`,
  },
  {
    name: 'the log of reads forgot who read',
    rule: 'HIP-08',
    sql: `alter table audit.phi_access_logs alter column user_id drop default;`,
  },
  {
    name: 'an application may change the audit log',
    rule: 'HIP-09',
    sql: `grant update on audit.audit_logs to kernel_app;`,
  },
  {
    name: 'an application may change one column of the access log',
    rule: 'HIP-09',
    sql: `grant update (recipient) on audit.phi_access_logs to business_app;`,
  },
  {
    name: 'an application may empty a partition of the log',
    rule: 'HIP-09',
    sql: `grant truncate on audit.audit_logs_default to clinical_app;`,
  },
  {
    name: 'the ledger can be changed',
    rule: 'HIP-10',
    sql: `drop trigger ledger_entries_append_only on billing.ledger_entries;`,
  },
  {
    name: 'append-only tables refuse nothing any more',
    rule: 'HIP-10',
    sql: `create or replace function core.refuse_change() returns trigger language plpgsql as $$ begin return coalesce(new, old); end $$;`,
  },
  {
    name: 'append-only tables refuse deletes and let updates through',
    rule: 'HIP-10',
    sql: `create or replace function core.refuse_change() returns trigger language plpgsql as $$ begin if tg_op = 'UPDATE' then return new; end if; raise exception 'no' using errcode = 'IM006'; end $$;`,
  },
  {
    name: 'a sealed row of the log was changed',
    rule: 'HIP-11',
    sql: behindTriggers(
      `update audit.audit_logs set actor_role = 'somebody else' where seq = (select min(seq) from audit.audit_logs);`,
    ),
  },
  {
    name: 'a sealed row of the log is gone',
    rule: 'HIP-11',
    sql: behindTriggers(`delete from audit.phi_access_logs where seq = (select min(seq) from audit.phi_access_logs);`),
  },
  {
    name: 'nobody seals the log any more',
    rule: 'HIP-11',
    sql: behindTriggers(`
insert into audit.audit_logs (tenant_id, occurred_at, action, schema_name, table_name)
values ('da000000-0000-7000-8000-000000000000', now() - interval '3 days', 'login', 'auth', 'users');`),
  },
  {
    name: 'passwords may be kept in any form',
    rule: 'HIP-12',
    sql: `alter table auth.users drop constraint users_password_hashed;`,
  },
  {
    name: 'an administrator has no second factor',
    rule: 'HIP-12',
    sql: behindTriggers(`
update auth.users set password_hash = '$argon2id$v=19$m=65536,t=3,p=4$demo' where primary_role = 'admin';
delete from auth.mfa_factors f using auth.users u where u.tenant_id = f.tenant_id and u.id = f.user_id and u.primary_role = 'admin';`),
  },
  {
    name: 'months of the log may be dropped after a year',
    rule: 'HIP-14',
    sql: `create or replace function audit.drop_expired_partitions(p_keep interval default interval '7 years') returns text[] ${application} as $$ select '{}'::text[] $$;`,
  },
  {
    name: 'a policy may keep the log for a year',
    rule: 'HIP-14',
    sql: `alter table compliance.retention_policies drop constraint retention_policies_audit_7_years;`,
  },
  {
    name: 'a disclosure needs neither recipient nor basis',
    rule: 'HIP-15',
    sql: `alter table audit.phi_access_logs drop constraint phi_access_logs_disclosure_has_basis;`,
  },
  {
    name: 'a read needs no purpose',
    rule: 'HIP-15',
    sql: `alter table audit.phi_access_logs alter column purpose_of_use drop not null;`,
  },
  {
    name: 'the last seal is three days old',
    rule: 'HIP-16',
    sql: behindTriggers(`update audit.audit_chain_anchors set sealed_at = now() - interval '3 days';`),
  },
  {
    name: 'somebody who has left has an active account',
    rule: 'HIP-17',
    sql: behindTriggers(`update auth.users set status = 'active' where id = 'da000000-0005-7000-8000-000000000009';`),
  },
  {
    name: 'somebody who has left has an open session',
    rule: 'HIP-17',
    sql: behindTriggers(
      `update auth.sessions set user_id = 'da000000-0005-7000-8000-000000000009' where user_id = 'da000000-0005-7000-8000-000000000001';`,
    ),
  },
  {
    name: 'failed sign-ins are counted by nobody',
    rule: 'HIP-18',
    sql: `alter table auth.users disable trigger audit_update;`,
  },
  {
    name: 'an account is locked after fifty failures only',
    rule: 'HIP-18',
    sql: behindTriggers(`
update core.system_settings set value = '50' where key = 'auth.max_failed_attempts';`),
  },
  {
    name: 'billing reads the mobile numbers of patients',
    rule: 'HIP-19',
    sql: `grant select (mobile_enc) on patient.patients to billing_app;`,
  },
  {
    name: 'analytics reads patients',
    rule: 'HIP-20',
    sql: `grant select on patient.patients to analytics_deid;`,
  },
  {
    name: 'analytics reads one column of encounters',
    rule: 'HIP-20',
    sql: `grant select (patient_id) on clinical.encounters to analytics_deid;`,
  },
  {
    name: 'a signed note can be changed',
    rule: 'HIP-22',
    sql: `drop trigger medical_records_unchanged_once_signed on clinical.medical_records;`,
  },
  {
    name: 'a released result can be changed',
    rule: 'HIP-22',
    sql: `create or replace function laboratory.keep_released_result() returns trigger language plpgsql as 'begin return new; end';`,
  },
  {
    name: 'a final summary can be changed',
    rule: 'HIP-22',
    sql: `alter table clinical.discharge_summaries disable trigger discharge_summaries_unchanged_once_final;`,
  },
  {
    name: 'a correction does not say what it corrects',
    rule: 'HIP-22',
    sql: `alter table clinical.imaging_results drop column amends_id cascade;`,
  },
  {
    name: 'an application may delete notes',
    rule: 'HIP-23',
    sql: `grant delete on clinical.medical_records to clinical_app;`,
  },
  {
    name: 'a breach may be closed without its cause',
    rule: 'HIP-24',
    sql: `alter table compliance.breaches drop constraint breaches_closed_when_all_is_done;`,
  },
  {
    name: 'there is no way to open a breach',
    rule: 'HIP-24',
    sql: `drop function compliance.open_breach cascade;`,
  },
  {
    name: 'disclosures are left out of the account',
    rule: 'HIP-15',
    sql: `create or replace function audit.log_disclosure(p_resource_type text, p_resource_id uuid, p_patient_id uuid, p_recipient text, p_legal_basis text, p_consent_id uuid default null) returns void ${application} as $$ insert into audit.phi_access_logs (tenant_id, resource_type, access_kind, purpose_of_use, recipient, legal_basis) values (core.require_tenant(), p_resource_type, 'disclosure', 'TREAT', p_recipient, p_legal_basis) $$;`,
  },
  {
    name: 'the contract of a processor has run out',
    rule: 'HIP-21',
    sql: behindTriggers(
      `update compliance.data_processors set signed_on = '2020-01-01', expires_on = current_date - 1 where status = 'active';`,
    ),
  },
  {
    name: 'a processor works without a contract',
    rule: 'HIP-21',
    sql: behindTriggers(`
alter table compliance.data_processors drop constraint data_processors_active_under_contract;
update compliance.data_processors set contract_document_id = null where status = 'active';`),
  },
  {
    name: 'no backup was restored for four months',
    rule: 'HIP-25',
    sql: behindTriggers(
      `update compliance.compliance_checks set ran_at = now() - interval '120 days' where rule_id = 'HIP-25';`,
    ),
  },
]

export const harmless: readonly Harmless[] = [
  {
    name: 'one more index on patients',
    sql: `create index patients_language_idx on patient.patients (tenant_id, language);`,
  },
  {
    name: 'one more column of a patient',
    sql: `
alter table patient.patients add column needs_interpreter boolean not null default false;
comment on column patient.patients.needs_interpreter is 'class=phi;about=An interpreter is called before a visit.';
select audit.track('patient.patients');`,
  },
  {
    name: 'one more encrypted column',
    sql: `
alter table workforce.staff add column bank_account_enc bytea;
comment on column workforce.staff.bank_account_enc is 'class=pii;enc=1;about=Bank account, encrypted.';
select audit.track('workforce.staff');`,
  },
  {
    name: 'the check of idle sessions has another name',
    sql: `alter table auth.sessions rename constraint sessions_idle_at_most_30_minutes to sessions_end_unused;`,
  },
  {
    name: 'sessions end after ten idle minutes',
    sql: `
alter table auth.sessions drop constraint sessions_idle_at_most_30_minutes;
alter table auth.sessions add constraint sessions_idle_at_most_10_minutes check (idle_expires_at <= last_seen_at + interval '10 minutes') not valid;`,
  },
  {
    name: 'emergency access of at most one hour',
    sql: `
alter table audit.break_glass_sessions drop constraint break_glass_sessions_at_most_4_hours;
alter table audit.break_glass_sessions add constraint break_glass_sessions_short check (expires_at <= opened_at + interval '1 hour') not valid;`,
  },
  {
    name: 'the check of disclosures has another name',
    sql: `alter table audit.phi_access_logs rename constraint phi_access_logs_disclosure_has_basis to phi_access_logs_outside;`,
  },
  {
    name: 'a policy that restricts further',
    sql: `create policy normal_only on clinical.medical_records as restrictive for select using (confidentiality is not null);`,
  },
  {
    name: 'an application loses a right',
    sql: `revoke update on clinical.conditions from clinical_app;`,
  },
  {
    name: 'analytics reads a table without persons',
    sql: `
grant usage on schema facility to analytics_deid;
grant select on facility.departments to analytics_deid;`,
  },
  {
    name: 'a service reads its own encrypted column',
    sql: `grant select (mobile_enc) on patient.patients to clinical_app;`,
  },
  {
    name: 'the log is sealed again',
    sql: asAdministrator(`select audit.seal('audit_logs');`),
  },
  {
    name: 'a new row of the log waits for its seal',
    sql: asAdministrator(`select audit.log_event('login', 'auth', 'users', null, 'signed in');`),
  },
  {
    name: 'a disclosure with recipient and basis',
    sql: asAdministrator(`select audit.log_disclosure('Patient', null, null, 'a court', 'court order');`),
  },
  {
    name: 'the trigger that keeps signed notes has another name',
    sql: `alter trigger medical_records_unchanged_once_signed on clinical.medical_records rename to medical_records_stay;`,
  },
  {
    name: 'the function that keeps released results says it in other words',
    sql: `create or replace function laboratory.keep_released_result() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$ begin if old.status in ('final', 'corrected') and new.value_num is distinct from old.value_num or old.status in ('final', 'corrected') and new.method is distinct from old.method then raise exception 'released' using errcode = 'IM311'; end if; return new; end $$;`,
  },
  {
    name: 'somebody leaves, the account goes with him',
    sql: behindTriggers(`
update workforce.staff set status = 'left', left_on = current_date where id = 'da000000-0006-7000-8000-000000000013';
update auth.users set status = 'deactivated' where id = 'da000000-0005-7000-8000-000000000013';
update auth.sessions set revoked_at = now(), revoke_reason = 'left' where user_id = 'da000000-0005-7000-8000-000000000013';`),
  },
  {
    name: 'a patient is registered',
    sql: asAdministrator(`
insert into patient.patients (tenant_id, mrn, given_name, sex, birth_date, birth_date_precision, registered_clinic_id)
select p.tenant_id, 'ASHA-999999', 'Probe', p.sex, p.birth_date, p.birth_date_precision, p.registered_clinic_id
from patient.patients p where p.tenant_id = 'da000000-0000-7000-8000-000000000000' order by p.id limit 1;`),
  },
  {
    name: 'an administrator confirms one more factor',
    sql: asAdministrator(
      `insert into auth.mfa_factors (tenant_id, user_id, kind, confirmed_at) values ('da000000-0000-7000-8000-000000000000', 'da000000-0005-7000-8000-000000000001', 'webauthn', now());`,
    ),
  },
  {
    name: 'accounts are locked after three failures',
    sql: behindTriggers(
      `update core.system_settings set value = '3' where key = 'auth.max_failed_attempts' and tenant_id is null;`,
    ),
  },
  {
    name: 'a stricter check of passwords',
    sql: `
alter table auth.users drop constraint users_password_hashed;
alter table auth.users add constraint users_password_is_argon2id check (password_hash ~ '^[$]argon2id[$]') not valid;
alter table auth.users validate constraint users_password_is_argon2id;`,
  },
  {
    name: 'one more check of breaches',
    sql: `alter table compliance.breaches add constraint breaches_affected_not_negative check (affected_count >= 0);`,
  },
  {
    name: 'a function that logs reads and counts its calls',
    sql: `comment on function audit.log_access(text, uuid, uuid, text, text[], int) is 'about=Writes who read what.';`,
  },
  {
    name: 'retention of logs is at least eight years',
    sql: `alter table compliance.retention_policies add constraint retention_policies_logs_longer check (class not in ('audit', 'access_log') or keep_for >= interval '8 years') not valid;`,
  },
]
