import type { Defect, Harmless } from './defect.ts'
import { asTenant, behindTriggers, copyRows, rewrite } from './statements.ts'

const tenant = 'da000000-0000-7000-8000-000000000000'
const asha = `'${tenant}'`

/** The claim that the payer is asked to decide again. */
const undecided = `tenant_id = ${asha} and status = 'reprocess_requested'`
const sent = `tenant_id = ${asha} and direction = 'out'`
const openQuery = `tenant_id = ${asha} and status = 'open'`
const participant = `tenant_id = ${asha} and role = 'NHCX_PROVIDER'`

const rulesOf = (from: string, to: string) =>
  asTenant(
    tenant,
    `
  insert into core.system_settings (tenant_id, key, value, value_type, description)
  select ${asha}, key, replace(value::text, '${from}', '${to}')::jsonb, value_type, description
  from core.system_settings where key = 'insurance.workflow_rules' and tenant_id is null`,
  )

export const defects: readonly Defect[] = [
  {
    name: 'participants of any form',
    rule: 'NHX-01',
    sql: 'alter table insurance.payers drop constraint payers_participant_is_on_the_exchange;',
  },
  {
    name: '@hcx anywhere in the code of a payer',
    rule: 'NHX-01',
    sql: `
      alter table insurance.payers drop constraint payers_participant_is_on_the_exchange;
      alter table insurance.payers add constraint payers_participant_is_on_the_exchange
        check (nhcx_participant_code ~ '@hcx');`,
  },
  {
    name: 'only the sender of a message is checked',
    rule: 'NHX-01',
    sql: `
      alter table insurance.nhcx_messages drop constraint nhcx_messages_between_participants;
      alter table insurance.nhcx_messages add check (sender_code ~ '^[^@[:space:]]+@hcx$');`,
  },
  {
    name: 'the code of our own site is not checked',
    rule: 'NHX-01',
    sql: `
      alter table abdm.facility_registrations
        drop constraint facility_registrations_participant_is_on_the_exchange;`,
  },
  {
    name: 'the check of participants is not validated',
    rule: 'NHX-01',
    sql: `
      alter table insurance.payers drop constraint payers_participant_is_on_the_exchange;
      alter table insurance.payers add constraint payers_participant_is_on_the_exchange
        check (nhcx_participant_code ~ '^[^@[:space:]]+@hcx$') not valid;`,
  },
  {
    name: 'a call may come twice in a direction',
    rule: 'NHX-02',
    sql: 'alter table insurance.nhcx_messages drop constraint nhcx_messages_call_once;',
  },
  {
    name: 'request ids are text',
    rule: 'NHX-02',
    sql: 'alter table insurance.nhcx_messages alter column request_id type text;',
  },
  {
    name: 'two checks share a correlation id',
    rule: 'NHX-02',
    sql: 'alter table insurance.eligibility_checks drop constraint eligibility_checks_correlation_once;',
  },
  {
    name: 'workflow ids are not checked',
    rule: 'NHX-03',
    sql: 'drop trigger insurance_claims_workflow on insurance.insurance_claims;',
  },
  {
    name: 'the check of workflow ids is switched off',
    rule: 'NHX-03',
    sql: 'alter table insurance.claim_payments disable trigger claim_payments_workflow;',
  },
  {
    name: 'the check of workflow ids lets everything pass',
    rule: 'NHX-03',
    sql: rewrite('insurance.check_workflow_code()', 'v_code is not null and not', `v_code = '' and not`),
  },
  {
    name: 'workflow ids are an enumerated type',
    rule: 'NHX-03',
    sql: `
      create type insurance.ack_code as enum ('17', '171');
      alter table insurance.claim_payments disable trigger user;
      drop trigger claim_payments_workflow on insurance.claim_payments;
      alter table insurance.claim_payments drop constraint claim_payments_acknowledged_is_sent;
      alter table insurance.claim_payments alter column ack_workflow_code type insurance.ack_code
        using ack_workflow_code::insurance.ack_code;
      alter table insurance.claim_payments enable trigger user;`,
  },
  {
    name: 'the resolver gives an id that is no member of the value set',
    rule: 'NHX-03',
    sql: rulesOf('"code": "131"', '"code": "139"'),
  },
  {
    name: 'any state of a message',
    rule: 'NHX-04',
    sql: 'alter table insurance.nhcx_messages drop constraint nhcx_messages_hcx_status_known;',
  },
  {
    name: 'a state that the exchange does not have',
    rule: 'NHX-04',
    sql: `
      alter table insurance.nhcx_messages drop constraint nhcx_messages_hcx_status_known;
      alter table insurance.nhcx_messages add constraint nhcx_messages_hcx_status_known check (
        hcx_status in (
          'request.initiated', 'request.queued', 'request.dispatched', 'request.retry', 'response.complete',
          'response.partial', 'response.error', 'response.redirect', 'response.late'
        )
      );`,
  },
  {
    name: 'a message without a state',
    rule: 'NHX-04',
    sql: 'alter table insurance.nhcx_messages alter column hcx_status drop not null;',
  },
  {
    name: 'messages without their envelope',
    rule: 'NHX-05',
    sql: 'alter table insurance.nhcx_messages alter column jwe_enc drop not null;',
  },
  {
    name: 'a hash of any length',
    rule: 'NHX-05',
    sql: 'alter table insurance.nhcx_messages drop constraint nhcx_messages_hash_is_sha256;',
  },
  {
    name: 'failed messages cannot be replayed',
    rule: 'NHX-05',
    sql: behindTriggers(
      `delete from core.transition_rules where machine = 'insurance.nhcx_messages' and from_state = 'failed'`,
    ),
  },
  {
    name: 'the envelope is said to be plain',
    rule: 'NHX-05',
    sql: `comment on column insurance.nhcx_messages.jwe_enc is 'class=phi;about=The envelope.';`,
  },
  {
    name: 'claims of the exchange without their pre-authorisation',
    rule: 'NHX-06',
    sql: 'alter table insurance.insurance_claims drop constraint insurance_claims_exchange_claim_follows_preauth;',
  },
  {
    name: 'approvals without a reference',
    rule: 'NHX-06',
    sql: 'alter table insurance.insurance_claims drop constraint insurance_claims_approval_has_reference;',
  },
  {
    name: 'the approval of a claim is not looked for',
    rule: 'NHX-06',
    sql: 'drop trigger insurance_claims_approval on insurance.insurance_claims;',
  },
  {
    name: 'the trigger that looks for the approval looks away',
    rule: 'NHX-06',
    sql: rewrite('insurance.check_claim_has_approval()', `new.pre_auth_ref is null`, `new.pre_auth_ref = 'none'`),
  },
  {
    name: 'the same payload comes twice',
    rule: 'NHX-07',
    sql: 'drop index insurance.nhcx_messages_payload_once;',
  },
  {
    name: 'a failed message blocks its repetition',
    rule: 'NHX-07',
    sql: `
      drop index insurance.nhcx_messages_payload_once;
      create unique index nhcx_messages_payload_once
        on insurance.nhcx_messages (tenant_id, direction, correlation_id, api_path, payload_hash);`,
  },
  {
    name: 'a claim waits too long and nobody was told',
    rule: 'NHX-08',
    sql: asTenant(
      tenant,
      `update insurance.insurance_claims set decision_due_at = now() - interval '3 hours' where ${undecided};`,
    ),
  },
  {
    name: 'a claim was announced before its present time',
    rule: 'NHX-08',
    sql: asTenant(
      tenant,
      `
      update insurance.insurance_claims
      set decision_due_at = now() - interval '1 day', overdue_announced_at = now() - interval '2 days'
      where ${undecided};`,
    ),
  },
  {
    name: 'a submission without a time to decide',
    rule: 'NHX-08',
    sql: asTenant(tenant, `update insurance.insurance_claims set decision_due_at = null where ${undecided};`),
  },
  {
    name: 'a message was sent that nothing validated',
    rule: 'NHX-09',
    sql: behindTriggers(`delete from fhir.resource_versions where source_table = 'insurance_claims'`),
  },
  {
    name: 'an invalid bundle was sent',
    rule: 'NHX-09',
    sql: behindTriggers(
      `update fhir.resource_versions set valid = false, issues = '[]' where source_table = 'insurance_claims' and tenant_id = ${asha}`,
    ),
  },
  {
    name: 'the bundle was validated after it had left',
    rule: 'NHX-09',
    sql: behindTriggers(
      `update fhir.resource_versions set recorded_at = now() + interval '1 minute' where source_table = 'insurance_claims'`,
    ),
  },
  { name: 'an enhancement is sent as something else', rule: 'NHX-10', sql: rulesOf('"code": "13"', '"code": "12"') },
  {
    name: 'a claim of nothing gets a workflow id',
    rule: 'NHX-10',
    sql: rulesOf('"refuse": "draft the claim from its approved pre-authorisation"', '"code": "15"'),
  },
  {
    name: 'the item codes are never compared',
    rule: 'NHX-10',
    sql: rewrite('insurance.items_changed(uuid, uuid)', 'count(distinct i.claim_id) = 1', 'false'),
  },
  {
    name: 'the resolver ignores whether the item codes changed',
    rule: 'NHX-10',
    sql: rewrite(
      'insurance.resolve_workflow(text, text, text, text, boolean)',
      `v_rule ->> 'items' <> v_items`,
      `v_rule ->> 'items' = 'none'`,
    ),
  },
  {
    name: 'the ABHA number beside its hash',
    rule: 'NHX-11',
    sql: 'alter table insurance.nhcx_messages add column ben_abha_number text;',
  },
  {
    name: 'an error of the exchange repeats the ABHA number',
    rule: 'NHX-11',
    sql: asTenant(
      tenant,
      `
      update insurance.nhcx_messages set error = '{"message": "no policy for 91-1234-5678-9012"}'
      where tenant_id = ${asha} and status = 'failed';`,
    ),
  },
  {
    name: 'the hash of the ABHA is text',
    rule: 'NHX-11',
    sql: `
      alter table insurance.nhcx_messages alter column ben_abha_bidx type text using encode(ben_abha_bidx, 'hex');`,
  },
  {
    name: 'a pre-authorisation although the payer said no',
    rule: 'NHX-12',
    sql: asTenant(tenant, `update insurance.eligibility_checks set inforce = false where tenant_id = ${asha};`),
  },
  {
    name: 'the payer was asked after the submission',
    rule: 'NHX-12',
    sql: asTenant(
      tenant,
      `update insurance.eligibility_checks set responded_at = now() + interval '1 second' where tenant_id = ${asha};`,
    ),
  },
  {
    name: 'a notice of a month ago was never acknowledged',
    rule: 'NHX-13',
    sql: behindTriggers(
      `update insurance.claim_payments set status = 'notified', created_at = now() - interval '30 days' where tenant_id = ${asha} and status = 'disputed'`,
    ),
  },
  {
    name: 'acknowledged without having been sent',
    rule: 'NHX-13',
    sql: 'alter table insurance.claim_payments drop constraint claim_payments_acknowledged_is_sent;',
  },
  {
    name: 'a query is open after its time',
    rule: 'NHX-14',
    sql: asTenant(
      tenant,
      `
      update insurance.payer_queries set raised_at = now() - interval '9 days', due_at = now() - interval '2 days'
      where ${openQuery};`,
    ),
  },
  {
    name: 'a query was answered late',
    rule: 'NHX-14',
    sql: asTenant(
      tenant,
      `
      update insurance.payer_queries
      set raised_at = now() - interval '9 days', due_at = now() - interval '8 days'
      where tenant_id = ${asha} and status = 'closed';`,
    ),
  },
  {
    name: 'a submission is queried and has no open query',
    rule: 'NHX-14',
    sql: asTenant(tenant, `update insurance.payer_queries set status = 'withdrawn' where ${openQuery};`),
  },
  {
    name: 'a certificate runs out in ten days',
    rule: 'NHX-15',
    sql: `
      update abdm.facility_registrations set certificate_expires_at = now() + interval '10 days' where ${participant};`,
  },
  {
    name: 'an active participant without a key',
    rule: 'NHX-15',
    sql: `
      alter table abdm.facility_registrations drop constraint facility_registrations_active_participant_has_key;
      update abdm.facility_registrations set signing_key_kid = null where ${participant};`,
  },
  {
    name: 'a private key may stand in the certificate',
    rule: 'NHX-15',
    sql: 'alter table abdm.facility_registrations drop constraint facility_registrations_certificate_is_public;',
  },
  {
    name: 'a column for the private key',
    rule: 'NHX-15',
    sql: 'alter table abdm.facility_registrations add column signing_private_key text;',
  },
]

export const harmless: readonly Harmless[] = [
  {
    name: 'another index on messages',
    sql: 'create index nhcx_messages_path on insurance.nhcx_messages (tenant_id, api_path);',
  },
  {
    name: 'another column of messages',
    sql: 'alter table insurance.nhcx_messages add column gateway_region text;',
  },
  {
    name: 'another text in a comment',
    sql: `comment on column insurance.nhcx_messages.jwe_enc is 'class=phi;enc=1;about=What went over the wire.';`,
  },
  {
    name: 'the check of participants has another name',
    sql: `
      alter table insurance.payers
        rename constraint payers_participant_is_on_the_exchange to payers_participant_code_form;`,
  },
  {
    name: 'sender and recipient are checked apart',
    sql: `
      alter table insurance.nhcx_messages drop constraint nhcx_messages_between_participants;
      alter table insurance.nhcx_messages add check (sender_code ~ '^[^@[:space:]]+@hcx$');
      alter table insurance.nhcx_messages add check (recipient_code ~ '^[^@[:space:]]+@hcx$');`,
  },
  {
    name: 'the key of calls has another name',
    sql: 'alter table insurance.nhcx_messages rename constraint nhcx_messages_call_once to nhcx_messages_api_call_key;',
  },
  {
    name: 'the key of calls is an index',
    sql: `
      alter table insurance.nhcx_messages drop constraint nhcx_messages_call_once;
      create unique index nhcx_messages_call_once on insurance.nhcx_messages (tenant_id, api_call_id, direction);`,
  },
  {
    name: 'the triggers have other names',
    sql: `
      alter trigger insurance_claims_workflow on insurance.insurance_claims rename to insurance_claims_check_code;
      alter trigger insurance_claims_approval on insurance.insurance_claims rename to insurance_claims_check_approval;`,
  },
  {
    name: 'another check on the state of a message',
    sql: 'alter table insurance.nhcx_messages add check (hcx_status = lower(hcx_status));',
  },
  {
    name: 'a tenant follows the later specification',
    sql: rulesOf('"code": "151"', '"code": "161"'),
  },
  {
    name: 'a workflow id more in a version of a tenant',
    sql: `
      insert into fhir.value_sets (tenant_id, id, url, version, name)
      values (${asha}, '00000000-0000-7000-8000-0000000000aa', 'urn:nhcx:workflow-ids', '2', 'NHCX workflow ids');
      insert into fhir.value_set_members (tenant_id, value_set_id, system, code, display, seq)
      select ${asha}, '00000000-0000-7000-8000-0000000000aa', m.system, m.code, m.display, m.seq
      from fhir.value_set_members m
      join fhir.value_sets v on v.id = m.value_set_id and v.url = 'urn:nhcx:workflow-ids' and v.tenant_id is null
      union all
      values (${asha}::uuid, '00000000-0000-7000-8000-0000000000aa'::uuid, 'urn:nhcx:workflow-id', '20', 'New', 13);
      update fhir.value_sets set status = 'active' where id = '00000000-0000-7000-8000-0000000000aa';`,
  },
  {
    name: 'a payer outside the exchange',
    sql: `
      insert into insurance.payers (
        tenant_id, code, name, kind, preauth_tat_minutes, query_response_hours, claim_submit_days, settle_days,
        rules_effective
      ) values (${asha}, 'MILL', 'A mill that pays for its workers', 'corporate', 60, 48, 30, 45, '[2024-01-01,)');`,
  },
  {
    name: 'a message that waits to be sent',
    sql: asTenant(
      tenant,
      `${copyRows('insurance.nhcx_messages', sent, {
        id: 'gen_random_uuid()',
        api_call_id: 'gen_random_uuid()',
        correlation_id: 'gen_random_uuid()',
        subject_id: 'gen_random_uuid()',
        status: `'pending'::text`,
      })};`,
    ),
  },
  {
    name: 'a failed message came again',
    sql: asTenant(
      tenant,
      `${copyRows('insurance.nhcx_messages', `tenant_id = ${asha} and status = 'failed'`, {
        id: 'gen_random_uuid()',
        api_call_id: 'gen_random_uuid()',
        status: `'pending'::text`,
      })};`,
    ),
  },
  {
    name: 'a late claim was announced',
    sql: asTenant(
      tenant,
      `
      update insurance.insurance_claims
      set decision_due_at = now() - interval '2 days', overdue_announced_at = now() - interval '47 hours'
      where ${undecided};`,
    ),
  },
  {
    name: 'a claim is late since five minutes, the job has not run',
    sql: asTenant(
      tenant,
      `update insurance.insurance_claims set decision_due_at = now() - interval '5 minutes' where ${undecided};`,
    ),
  },
  {
    name: 'a query ran out five minutes ago, the job has not run',
    sql: asTenant(
      tenant,
      `
      update insurance.payer_queries set raised_at = now() - interval '3 days', due_at = now() - interval '5 minutes'
      where ${openQuery};`,
    ),
  },
  {
    name: 'a bundle was rendered again after it was sent, and is invalid',
    sql: behindTriggers(
      copyRows('fhir.resource_versions', `source_table = 'insurance_claims' and tenant_id = ${asha}`, {
        id: 'gen_random_uuid()',
        version: '2',
        valid: 'false',
        issues: `'[]'::jsonb`,
        recorded_at: `now() + interval '1 minute'`,
      }),
    ),
  },
  {
    name: 'a notice of yesterday waits',
    sql: behindTriggers(
      `update insurance.claim_payments set status = 'notified', created_at = now() - interval '1 day' where tenant_id = ${asha} and status = 'disputed'`,
    ),
  },
  {
    name: 'a disputed notice of a month ago',
    sql: behindTriggers(
      `update insurance.claim_payments set created_at = now() - interval '30 days' where tenant_id = ${asha} and status = 'disputed'`,
    ),
  },
  {
    name: 'the payer was asked again and now says no',
    sql: behindTriggers(
      copyRows('insurance.eligibility_checks', `tenant_id = ${asha} and status = 'complete'`, {
        id: 'gen_random_uuid()',
        request_number: `'AGAIN-' || id`,
        correlation_id: 'gen_random_uuid()',
        inforce: 'false',
        responded_at: 'now()',
      }),
    ),
  },
  {
    name: 'a certificate that holds forty days',
    sql: `
      update abdm.facility_registrations set certificate_expires_at = now() + interval '40 days' where ${participant};`,
  },
  {
    name: 'a suspended participant whose certificate ran out, beside a new one',
    sql: asTenant(
      tenant,
      `
      insert into abdm.facility_registrations (
        tenant_id, clinic_id, role, hfr_id, network_id, callback_url, secret_ref, signing_key_kid, certificate,
        certificate_expires_at, environment
      )
      select
        tenant_id, clinic_id, role, hfr_id, 'new-hospital@hcx', callback_url, secret_ref, 'new-key', certificate,
        now() + interval '2 years', environment
      from abdm.facility_registrations where ${participant};
      update abdm.facility_registrations
      set status = 'suspended', certificate_expires_at = now() - interval '1 day'
      where ${participant} and network_id <> 'new-hospital@hcx';
      update abdm.facility_registrations set status = 'registered' where network_id = 'new-hospital@hcx';
      update abdm.facility_registrations set status = 'active' where network_id = 'new-hospital@hcx';`,
    ),
  },
  {
    name: 'an error of the exchange with a telephone number and a time',
    sql: asTenant(
      tenant,
      `
      update insurance.nhcx_messages set error = '{"message": "call 1800-111-565, since 20261125101530"}'
      where tenant_id = ${asha} and status = 'failed';`,
    ),
  },
  {
    name: 'the trigger function says the same in other words',
    sql: rewrite(
      'insurance.check_workflow_code()',
      `if v_code is not null and not fhir.value_set_contains('urn:nhcx:workflow-ids', v_code) then`,
      `if not coalesce(fhir.value_set_contains('urn:nhcx:workflow-ids', v_code) or v_code is null, true) then`,
    ),
  },
  {
    name: 'another move of messages',
    sql: `
      insert into core.transition_rules (machine, from_state, to_state, requires_reason)
      values ('insurance.nhcx_messages', 'sent', 'pending', true);`,
  },
  {
    name: 'a report may read messages',
    sql: `
      create role exchange_report nologin;
      grant usage on schema insurance to exchange_report;
      grant select (id, direction, status) on insurance.nhcx_messages to exchange_report;`,
  },
]
