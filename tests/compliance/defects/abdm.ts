import type { Defect, Harmless } from './defect.ts'
import { asTenant, behindTriggers, copyRows, rewrite } from './statements.ts'

const tenant = 'da000000-0000-7000-8000-000000000000'
const asha = `'${tenant}'`

const sent = `tenant_id = ${asha} and direction = 'out'`
const receivedPage = `tenant_id = ${asha} and direction = 'in'`
const registration = `tenant_id = ${asha} and role = 'HIP_HIU'`
const emergency = `tenant_id = ${asha} and purpose = 'BTG'`
/** The bundles of what was sent. */
const bundles = `tenant_id = ${asha} and source_schema = 'abdm' and resource_type = 'Bundle'`

const builders = (types: string) =>
  asTenant(
    tenant,
    `insert into core.system_settings (tenant_id, key, value, value_type, description)
     select t.id, 'abdm.bundle_builders', '${types}', 'json', 'of the tenant' from core.tenants t where t.id = ${asha}`,
  )
const sevenTypes =
  '["OPConsultation", "Prescription", "DischargeSummary", "DiagnosticReport", "ImmunizationRecord", "HealthDocumentRecord", "WellnessRecord"]'
const eightTypes = sevenTypes.replace(']', ', "Invoice"]')

export const defects: readonly Defect[] = [
  {
    name: 'nobody knows who was at the desk',
    rule: 'ABD-01',
    sql: 'alter table abdm.abha_registrations alter column operator_user_id drop not null;',
  },
  {
    name: 'the transaction of ABDM is not kept',
    rule: 'ABD-01',
    sql: 'alter table abdm.abha_registrations drop column txn_id;',
  },
  {
    name: 'attempts move as they like',
    rule: 'ABD-01',
    sql: 'drop trigger abha_registrations_transition on abdm.abha_registrations;',
  },
  {
    name: 'an attempt cannot fail at its OTP',
    rule: 'ABD-01',
    sql: behindTriggers(
      `delete from core.transition_rules where machine = 'abdm.abha_registrations' and from_state = 'otp_sent' and to_state = 'failed'`,
    ),
  },
  {
    name: 'an attempt ends without a time',
    rule: 'ABD-01',
    sql: 'alter table abdm.abha_registrations drop constraint abha_registrations_end_has_time;',
  },
  { name: 'an ABHA number twice', rule: 'ABD-02', sql: 'drop index abdm.abha_accounts_abha_number_key;' },
  { name: 'two ABHAs of a patient', rule: 'ABD-02', sql: 'drop index abdm.abha_accounts_one_per_patient;' },
  {
    name: 'one ABHA of a patient, whatever its state',
    rule: 'ABD-02',
    sql: `
      drop index abdm.abha_accounts_one_per_patient;
      create unique index abha_accounts_one_per_patient on abdm.abha_accounts (tenant_id, patient_id)
        where status = 'captured';`,
  },
  {
    name: 'the number in plain text beside its hash',
    rule: 'ABD-02',
    sql: 'alter table abdm.abha_accounts add column abha_number text;',
  },
  {
    name: 'the number is said to be plain',
    rule: 'ABD-02',
    sql: `comment on column abdm.abha_accounts.abha_number_enc is 'class=pii;about=The number.';`,
  },
  {
    name: 'thirteen digits are a number',
    rule: 'ABD-03',
    sql: `
      create or replace function core.valid_abha_number(p_number text) returns boolean language sql immutable
        as $$ select replace(p_number, '-', '') ~ '^[0-9]{13,14}$' $$;`,
  },
  {
    name: 'a check digit refuses numbers',
    rule: 'ABD-03',
    sql: `
      create or replace function core.valid_abha_number(p_number text) returns boolean language sql immutable
        as $$ select replace(p_number, '-', '') ~ '^[0-9]{13}[02468]$' $$;`,
  },
  {
    name: 'numbers keep their hyphens',
    rule: 'ABD-03',
    sql: rewrite('abdm.normalise_abha_number(text)', `replace(btrim(p_number), '-', '')`, 'btrim(p_number)'),
  },
  {
    name: 'a column for the Aadhaar number',
    rule: 'ABD-04',
    sql: 'alter table abdm.abha_registrations add column aadhaar_enc bytea;',
  },
  {
    name: 'a column for the OTP',
    rule: 'ABD-04',
    sql: 'alter table abdm.linking_transactions add column otp text;',
  },
  {
    name: 'a column for the fingerprint',
    rule: 'ABD-04',
    sql: 'alter table abdm.abha_accounts add column fingerprint_template bytea;',
  },
  {
    name: 'a new table keeps virtual ids',
    rule: 'ABD-04',
    sql: `
      create table abdm.virtual_ids (tenant_id uuid not null, id uuid not null, vid text, primary key (tenant_id, id));`,
  },
  {
    name: 'errors may repeat an Aadhaar number',
    rule: 'ABD-04',
    sql: 'alter table abdm.abha_registrations disable trigger abha_registrations_no_aadhaar;',
  },
  {
    name: 'linked without having been verified',
    rule: 'ABD-05',
    sql: 'alter table abdm.abha_accounts drop constraint abha_accounts_linked_is_verified_and_has_patient;',
  },
  {
    name: 'linked to nobody',
    rule: 'ABD-05',
    sql: `
      alter table abdm.abha_accounts drop constraint abha_accounts_linked_is_verified_and_has_patient;
      alter table abdm.abha_accounts add constraint abha_accounts_linked_is_verified
        check (status not in ('linked', 'deactivated') or verified_at is not null);`,
  },
  {
    name: 'a deactivated ABHA is linked',
    rule: 'ABD-06',
    sql: rewrite('abdm.link_abha(uuid, uuid, text, uuid)', `v_account.network_status <> 'ACTIVE'`, 'false'),
  },
  {
    name: 'care contexts are linked to a deactivated ABHA',
    rule: 'ABD-06',
    sql: rewrite(
      'abdm.lock_active_account(uuid)',
      `v_account.status <> 'linked' or v_account.network_status <> 'ACTIVE'`,
      'false',
    ),
  },
  {
    name: 'a deleted ABHA keeps its care contexts',
    rule: 'ABD-06',
    sql: rewrite('abdm.record_abha_status(text, bytea, text)', `p_network_status = 'DELETED' and`, 'false and'),
  },
  {
    name: 'a care context twice',
    rule: 'ABD-07',
    sql: 'alter table abdm.care_contexts drop constraint care_contexts_reference_key;',
  },
  { name: 'any HI type', rule: 'ABD-07', sql: 'drop trigger care_contexts_hi_type on abdm.care_contexts;' },
  {
    name: 'an HI type is missing in the value set',
    rule: 'ABD-07',
    sql: behindTriggers(`delete from fhir.value_set_members where system = 'urn:abdm:hi-type' and code = 'Invoice'`),
  },
  {
    name: 'the check of HI types lets everything pass',
    rule: 'ABD-07',
    sql: rewrite('abdm.check_hi_types()', `not fhir.value_set_contains('urn:abdm:hi-types', v_type)`, 'false'),
  },
  {
    name: 'a visit ended three days ago and cannot be linked',
    rule: 'ABD-08',
    sql: behindTriggers(
      `update abdm.abha_accounts set linked_at = now() - interval '4 days' where tenant_id = ${asha}`,
      `update clinical.encounters set period = tstzrange(now() - interval '4 days', now() - interval '3 days') where id = 'da000000-0017-7000-8000-000000000004'`,
    ),
  },
  {
    name: 'the contexts of a stay are gone',
    rule: 'ABD-08',
    sql: behindTriggers(
      `update abdm.abha_accounts set linked_at = now() - interval '4 days' where tenant_id = ${asha}`,
      `update clinical.encounters set period = tstzrange(now() - interval '4 days', now() - interval '3 days') where id = 'da000000-0017-7000-8000-000000000012'`,
      `update abdm.care_contexts set encounter_id = null where tenant_id = ${asha}`,
    ),
  },
  {
    name: 'the network reads a diagnosis',
    rule: 'ABD-09',
    sql: behindTriggers(
      `update abdm.care_contexts c set display = left('Stay, ' || d.display, 80) from clinical.conditions d where d.tenant_id = c.tenant_id and d.patient_id = c.patient_id and c.tenant_id = ${asha}`,
    ),
  },
  {
    name: 'the network reads the code of a diagnosis',
    rule: 'ABD-09',
    sql: behindTriggers(
      `update abdm.care_contexts c set display = 'Visit for ' || lower(d.code) from clinical.conditions d where d.tenant_id = c.tenant_id and d.patient_id = c.patient_id and c.tenant_id = ${asha}`,
    ),
  },
  {
    name: 'discovery tells the last of several people',
    rule: 'ABD-10',
    sql: rewrite(
      'abdm.find_one_patient(jsonb)',
      'patient_id is not null and patient_id <> v_found.id',
      'false and patient_id is null',
    ),
  },
  {
    name: 'a mobile number is enough',
    rule: 'ABD-10',
    sql: rewrite(
      'abdm.find_one_patient(jsonb)',
      `and abdm.mismatches(p.id, v_name_key, p_query ->> 'sex', (p_query ->> 'birth_year')::integer) = '{}'`,
      '',
    ),
  },
  {
    name: 'an MR number is enough',
    rule: 'ABD-10',
    sql: rewrite(
      'abdm.find_one_patient(jsonb)',
      'p.mobile_bidx = v_mobile_bidx and',
      `(p.mobile_bidx = v_mobile_bidx or p.mrn = p_query ->> 'mrn') and`,
    ),
  },
  {
    name: 'OTPs without an end',
    rule: 'ABD-11',
    sql: 'alter table abdm.linking_transactions drop constraint linking_transactions_otp_whole;',
  },
  {
    name: 'link tokens without an end',
    rule: 'ABD-11',
    sql: 'alter table abdm.linking_transactions drop constraint linking_transactions_token_expires;',
  },
  {
    name: 'thirty tries of an OTP',
    rule: 'ABD-11',
    sql: `
      alter table abdm.abha_registrations drop constraint abha_registrations_at_most_3_otp_attempts;
      alter table abdm.abha_registrations add constraint abha_registrations_otp_attempts
        check (otp_attempts between 0 and 30);`,
  },
  {
    name: 'an OTP is good after its time',
    rule: 'ABD-11',
    sql: rewrite(
      'abdm.confirm_link(text, bytea)',
      `v_transaction.status = 'expired' or v_transaction.otp_expires_at <= now()`,
      `v_transaction.status = 'expired'`,
    ),
  },
  {
    name: 'wrong OTPs are not counted',
    rule: 'ABD-11',
    sql: rewrite(
      'abdm.confirm_link(text, bytea)',
      'otp_attempts = t.otp_attempts + 1',
      'otp_attempts = t.otp_attempts',
    ),
  },
  {
    name: 'granted without a signature',
    rule: 'ABD-12',
    sql: 'alter table abdm.consent_artefacts drop constraint consent_artefacts_granted_only_when_signed;',
  },
  {
    name: 'what was signed may be changed',
    rule: 'ABD-12',
    sql: 'drop trigger consent_artefacts_permission_stays on abdm.consent_artefacts;',
  },
  {
    name: 'a signature that nobody checked counts as wrong',
    rule: 'ABD-12',
    sql: rewrite(
      'abdm.save_artefact(text, jsonb, abdm.consent_requests)',
      `(p_artefact ->> 'signature_valid')::boolean`,
      `coalesce((p_artefact ->> 'signature_valid')::boolean, false)`,
    ),
  },
  {
    name: 'sessions are not checked',
    rule: 'ABD-13',
    sql: 'drop trigger health_info_requests_allowed on abdm.health_info_requests;',
  },
  {
    name: 'any period',
    rule: 'ABD-13',
    sql: rewrite('abdm.check_session()', 'new.data_from < v_artefact.data_from or', 'false and'),
  },
  {
    name: 'any frequency',
    rule: 'ABD-13',
    sql: rewrite('abdm.check_session()', 'v_used > v_artefact.frequency_repeats', 'false'),
  },
  {
    name: 'any HI type',
    rule: 'ABD-13',
    sql: rewrite(
      'abdm.movable_contexts(uuid, uuid, timestamp with time zone, timestamp with time zone)',
      'c.hi_type = any (a.hi_types)',
      'c.hi_type is not null',
    ),
  },
  {
    name: 'a revoked consent is as good as another',
    rule: 'ABD-13',
    sql: rewrite('abdm.check_session()', `v_artefact.status <> 'granted'`, `v_artefact.status = 'received'`),
  },
  {
    name: 'pages of contexts that were not authorised',
    rule: 'ABD-13',
    sql: 'alter table abdm.health_info_transfers disable trigger health_info_transfers_context_listed;',
  },
  {
    name: 'a page moved after the patient had revoked',
    rule: 'ABD-14',
    sql: behindTriggers(
      `update abdm.health_info_transfers set transferred_at = now() + interval '1 second' where ${receivedPage}`,
    ),
  },
  {
    name: 'a page moved after dataEraseAt',
    rule: 'ABD-14',
    sql: behindTriggers(
      `update abdm.consent_artefacts set data_erase_at = granted_at - interval '1 day' where tenant_id = ${asha} and role = 'HIP'`,
    ),
  },
  {
    name: 'what was received is there a week too long',
    rule: 'ABD-15',
    sql: behindTriggers(
      'delete from compliance.legal_holds', // the patient of the story is under one
      `update abdm.health_info_transfers set erase_at = now() - interval '7 days' where ${receivedPage}`,
    ),
  },
  {
    name: 'what was received is to be erased later than the patient said',
    rule: 'ABD-15',
    sql: behindTriggers(
      `update abdm.health_info_transfers set erase_at = now() + interval '2 years' where ${receivedPage}`,
    ),
  },
  {
    name: 'the key outlives its session',
    rule: 'ABD-16',
    sql: 'alter table abdm.health_info_requests drop constraint health_info_requests_no_key_after_the_end;',
  },
  {
    name: 'the key outlives a session that failed',
    rule: 'ABD-16',
    sql: `
      alter table abdm.health_info_requests drop constraint health_info_requests_no_key_after_the_end;
      alter table abdm.health_info_requests add constraint health_info_requests_no_key_after_the_end check (
        own_private_key_enc is null or status in ('received', 'acknowledged', 'transferring', 'partial', 'failed')
      );`,
  },
  {
    name: 'a callback twice',
    rule: 'ABD-17',
    sql: 'alter table abdm.gateway_messages drop constraint gateway_messages_request_key;',
  },
  {
    name: 'a message without a REQUEST-ID',
    rule: 'ABD-17',
    sql: 'alter table abdm.gateway_messages alter column request_id drop not null;',
  },
  {
    name: 'an exchange twice',
    rule: 'ABD-17',
    sql: 'alter table abdm.linking_transactions drop constraint linking_transactions_request_key;',
  },
  {
    name: 'callbacks in plain text',
    rule: 'ABD-18',
    sql: `
      alter table abdm.facility_registrations drop constraint facility_registrations_callback_is_https;
      update abdm.facility_registrations set callback_url = 'http://demo.example.org' where ${registration};`,
  },
  {
    name: 'an active site without its HFR id',
    rule: 'ABD-18',
    sql: `update abdm.facility_registrations set hfr_id = ' ' where ${registration};`,
  },
  {
    name: 'the doctor of what was sent has no HPR id',
    rule: 'ABD-19',
    sql: asTenant(tenant, `update workforce.doctors set hpr_id = null where tenant_id = ${asha}`),
  },
  {
    name: 'what was sent names no profile',
    rule: 'ABD-20',
    sql: behindTriggers(`update abdm.health_info_transfers set bundle_profile = null where ${sent}`),
  },
  {
    name: 'what was sent was never validated',
    rule: 'ABD-20',
    sql: behindTriggers(`update fhir.resource_versions set valid = null, validator = null where ${bundles}`),
  },
  {
    name: 'what was sent had errors',
    rule: 'ABD-20',
    sql: behindTriggers(
      `update abdm.health_info_transfers set validation_errors = '[{"severity": "error"}]' where ${sent}`,
    ),
  },
  {
    name: 'the last bundle before it was sent was wrong',
    rule: 'ABD-20',
    sql: behindTriggers(
      copyRows('fhir.resource_versions', bundles, {
        id: 'gen_random_uuid()',
        version: '2',
        valid: 'false',
        issues: `'[]'::jsonb`,
      }),
    ),
  },
  { name: 'an HI type without a builder', rule: 'ABD-21', sql: builders(sevenTypes) },
  {
    name: 'a consent for an emergency that nobody declared',
    rule: 'ABD-22',
    sql: behindTriggers(`delete from audit.break_glass_sessions where tenant_id = ${asha}`),
  },
  {
    name: 'somebody else had declared the emergency',
    rule: 'ABD-22',
    sql: behindTriggers(
      `update abdm.consent_requests set requester_user_id = (select u.id from auth.users u where u.tenant_id = ${asha} order by u.id desc limit 1) where ${emergency}`,
    ),
  },
  {
    name: 'the emergency is not looked for',
    rule: 'ABD-22',
    sql: 'drop trigger consent_requests_emergency on abdm.consent_requests;',
  },
  {
    name: 'the check of the emergency looks away',
    rule: 'ABD-22',
    sql: rewrite('abdm.check_emergency_consent()', `new.purpose = 'BTG'`, `new.purpose = 'none'`),
  },
]

export const harmless: readonly Harmless[] = [
  {
    name: 'another index on care contexts',
    sql: 'create index care_contexts_day on abdm.care_contexts (tenant_id, record_date);',
  },
  {
    name: 'another column of registrations',
    sql: 'alter table abdm.abha_registrations add column desk_code text;',
  },
  {
    name: 'another text in a comment',
    sql: `comment on column abdm.abha_accounts.abha_number_enc is 'class=pii;enc=1;about=Fourteen digits, encrypted.';`,
  },
  {
    name: 'constraints have other names',
    sql: `
      alter table abdm.care_contexts rename constraint care_contexts_reference_key to care_contexts_once;
      alter table abdm.linking_transactions rename constraint linking_transactions_otp_whole to otp_is_whole;
      alter table abdm.abha_accounts rename constraint abha_accounts_linked_is_verified_and_has_patient to linked_is_known;`,
  },
  {
    name: 'triggers have other names',
    sql: `
      alter trigger health_info_requests_allowed on abdm.health_info_requests rename to health_info_requests_check;
      alter trigger consent_artefacts_permission_stays on abdm.consent_artefacts rename to consent_artefacts_keep;`,
  },
  {
    name: 'the key of messages is an index',
    sql: `
      alter table abdm.gateway_messages drop constraint gateway_messages_request_key;
      create unique index gateway_messages_request_key on abdm.gateway_messages (tenant_id, request_id, direction, path);`,
  },
  {
    name: 'another check on attempts',
    sql: 'alter table abdm.abha_registrations add check (otp_attempts = 0 or otp_sent_at is not null);',
  },
  {
    name: 'attempts are counted in another way',
    sql: `
      alter table abdm.abha_registrations drop constraint abha_registrations_at_most_3_otp_attempts;
      alter table abdm.abha_registrations add check (otp_attempts >= 0);
      alter table abdm.abha_registrations add check (otp_attempts <= 3);`,
  },
  {
    name: 'how often an OTP was sent',
    sql: 'alter table abdm.abha_registrations add column resend_count smallint not null default 0;',
  },
  {
    name: 'another move of attempts',
    sql: `
      insert into core.transition_rules (machine, from_state, to_state, requires_reason)
      values ('abdm.abha_registrations', 'failed', 'initiated', true);`,
  },
  {
    name: 'the tenant has a template of its own for care contexts',
    sql: asTenant(
      tenant,
      `insert into core.system_settings (tenant_id, key, value, value_type, description) values (${asha}, 'abdm.context_display', '"{date}: {type}"', 'string', 'of the tenant')`,
    ),
  },
  {
    name: 'the tenant takes one suffix of addresses only',
    sql: asTenant(
      tenant,
      `insert into core.system_settings (tenant_id, key, value, value_type, description) values (${asha}, 'abdm.address_suffixes', '["abdm"]', 'json', 'of the tenant')`,
    ),
  },
  {
    name: 'a visit ended an hour ago and cannot be linked yet',
    sql: behindTriggers(
      `update abdm.abha_accounts set linked_at = now() - interval '4 days' where tenant_id = ${asha}`,
      `update clinical.encounters set period = tstzrange(now() - interval '3 hours', now() - interval '1 hour') where id = 'da000000-0017-7000-8000-000000000004'`,
    ),
  },
  {
    name: 'an old visit of somebody who was linked today',
    sql: behindTriggers(
      `update clinical.encounters set period = tstzrange(now() - interval '9 days', now() - interval '8 days') where id = 'da000000-0017-7000-8000-000000000004'`,
    ),
  },
  {
    name: 'an old visit of somebody whose ABHA is deactivated',
    sql: behindTriggers(
      `update abdm.abha_accounts set linked_at = now() - interval '4 days' where tenant_id = ${asha}`,
      `update abdm.abha_accounts set status = 'deactivated', network_status = 'DEACTIVATED' where tenant_id = ${asha} and patient_id = (select e.patient_id from clinical.encounters e where e.id = 'da000000-0017-7000-8000-000000000004')`,
      `update clinical.encounters set period = tstzrange(now() - interval '4 days', now() - interval '3 days') where id = 'da000000-0017-7000-8000-000000000004'`,
    ),
  },
  {
    name: 'a page was received and is erased in time',
    sql: behindTriggers(`update abdm.health_info_transfers set erased_at = erase_at where ${receivedPage}`),
  },
  {
    name: 'a page is due since an hour, the job has not run',
    sql: behindTriggers(
      `update abdm.health_info_transfers set erase_at = now() - interval '1 hour' where ${receivedPage}`,
    ),
  },
  {
    name: 'a page that could not be delivered',
    sql: behindTriggers(
      `update abdm.health_info_transfers set hi_status = 'ERRORED', bundle_profile = null, validation_errors = '[{"severity": "error"}]' where ${sent}`,
    ),
  },
  {
    name: 'a bundle was rendered again after it was sent, and is wrong',
    sql: behindTriggers(
      copyRows('fhir.resource_versions', bundles, {
        id: 'gen_random_uuid()',
        version: '2',
        valid: 'false',
        issues: `'[]'::jsonb`,
        recorded_at: `now() + interval '1 minute'`,
      }),
    ),
  },
  {
    name: 'a bundle was wrong at first',
    sql: behindTriggers(
      copyRows('fhir.resource_versions', bundles, {
        id: 'gen_random_uuid()',
        version: '2',
        recorded_at: `now() - interval '30 seconds'`,
      }),
      `update fhir.resource_versions set valid = false, issues = '[]' where ${bundles} and version = 1`,
      `update fhir.resource_versions set recorded_at = recorded_at - interval '1 hour' where ${bundles}`,
    ),
  },
  {
    name: 'every HI type has a builder',
    sql: `${builders(eightTypes)}${builders(eightTypes).replaceAll('da000000', 'db000000')}`,
  },
  {
    name: 'a doctor without an HPR id, of whom nothing was sent',
    sql: asTenant(
      tenant,
      `insert into workforce.doctors (tenant_id, staff_id, registration_no, registration_council, qualification) select s.tenant_id, s.id, 'NEW-1', 'Council', 'MBBS' from workforce.staff s where s.tenant_id = ${asha} and not exists (select from workforce.doctors d where d.tenant_id = s.tenant_id and d.staff_id = s.id) limit 1`,
    ),
  },
  {
    name: 'a site that waits for its registration',
    sql: `
      insert into abdm.facility_registrations (tenant_id, clinic_id, role, hfr_id, network_id, callback_url, environment)
      select tenant_id, clinic_id, 'HIU', 'NEW', 'NEW-HIU', callback_url, 'sandbox'
      from abdm.facility_registrations where ${registration};`,
  },
  {
    name: 'the emergency access was closed and reviewed later',
    sql: behindTriggers(
      `update audit.break_glass_sessions set closed_at = now() + interval '1 hour', reviewed_at = now() + interval '1 day' where tenant_id = ${asha} and status = 'reviewed'`,
    ),
  },
  {
    name: 'a patient with a condition whose code has two letters',
    sql: behindTriggers(
      `update clinical.conditions set code = 'OP', display = 'Newborn under observation', icd10 = null where tenant_id = ${asha}`,
    ),
  },
  {
    name: 'the check of the emergency says the same in other words',
    sql: rewrite('abdm.check_emergency_consent()', `new.purpose = 'BTG'`, `coalesce(new.purpose, '') in ('BTG')`),
  },
]
