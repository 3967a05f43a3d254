-- The module belongs to business_owner, as workforce and tasking do. Its operations read and change a few columns of others:
-- what an erasure replaces, what a withdrawal stops.

select core.hand_over('compliance', 'business');

-- the log is read by audit_reader alone
alter function compliance.disclosure_accounting(uuid, timestamptz, timestamptz) owner to audit_reader;

select core.ensure_partitions('compliance.compliance_checks', 'month', 1);

grant usage on schema patient, communication to business_owner;
grant select (
    tenant_id, id, birth_date, deceased_at, mobile_bidx, email_bidx, portal_user_id, merged_into_id, created_at, deleted_at
  ) on patient.patients to business_owner;
grant update (
    given_name, middle_name, family_name, gender_identity, birth_date, birth_date_precision, marital_status, nationality,
    mobile_enc, mobile_bidx, email_enc, email_bidx, address_enc, pin_code, district_lgd, phi_enc, data_key_kid, emr_id,
    portal_user_id, is_vip, deleted_at, delete_reason
  ) on patient.patients to business_owner;
grant select (
    tenant_id, id, patient_id, is_legal_guardian, guardian_verified_at, valid_to, deleted_at
  ) on patient.patient_contacts to business_owner;
grant update (name, phone_enc, phone_bidx, proxy_scope, deleted_at, delete_reason) on patient.patient_contacts
  to business_owner;
grant select (tenant_id, id, patient_id, deleted_at) on patient.patient_identifiers to business_owner;
grant update (value_enc, value_bidx, value_last4, deleted_at, delete_reason) on patient.patient_identifiers
  to business_owner;
-- the trigger of patients checks as the role that writes
grant execute on function patient.name_key(text), patient.check_birth_date(date), patient.check_mrn(text)
  to business_owner;
grant
  select (tenant_id, subject_type, subject_id, channel, category, opted_in, consent_id, changed_at),
  insert (tenant_id, subject_type, subject_id, channel, category, opted_in, changed_at),
  update (opted_in, changed_at)
on communication.contact_preferences to business_owner;
grant select (tenant_id, id, recipient_type, recipient_id, status, updated_at) on communication.notifications
  to business_owner;
grant execute on function patient.ids_of(uuid[]) to business_owner, audit_reader;
grant usage on schema patient to audit_reader;
grant execute on function core.retire_key(text), core.shred_key(text, text) to business_owner;

-- retention counts from the last row of a record, in whichever table that is: when it was written and for whom, nothing else
do $$
declare
  v_reference record;
begin
  for v_reference in
    select r.schema_name, r.table_name, string_agg(distinct quote_ident(r.column_name), ', ') as columns
    from compliance.person_references r
    where r.found_by = 'patient' and r.retention = 'medical_record' and r.schema_name not in ('compliance', 'patient')
    group by r.schema_name, r.table_name
  loop
    execute format('grant usage on schema %I to business_owner', v_reference.schema_name);
    execute format(
      'grant select (tenant_id, created_at, %s) on %I.%I to business_owner', v_reference.columns,
      v_reference.schema_name, v_reference.table_name
    );
  end loop;
end
$$;

grant select on compliance.clocks_due, compliance.person_references to business_app, business_ro;

-- other services ask before they erase, and before they use data
grant usage on schema compliance to kernel_app;
grant execute on function
  compliance.is_under_hold(text, text, uuid, uuid),
  compliance.active_consent(uuid, text, text)
to kernel_app;
-- so does the kernel before it drops a month of the logs
grant usage on schema compliance to kernel_owner;
grant execute on function compliance.tenants_under_hold() to kernel_owner;

-- read by generated columns and by functions that run as their caller
grant execute on function
  compliance.text_hash(text),
  compliance.rows_of_person(compliance.person_references, uuid, uuid[], jsonb, jsonb),
  compliance.find_person(uuid, uuid[])
to public;
grant execute on function
  compliance.publish_notice(text, text, text[], text[], text, text, text, int, timestamptz),
  compliance.give_consent(
    uuid, text, text, text[], text, uuid, uuid, uuid, uuid, uuid, uuid, text, timestamptz, jsonb, timestamptz, uuid
  ),
  compliance.withdraw_consent(uuid, text),
  compliance.expire_consents(int),
  compliance.open_request(text, text, text, bytea, uuid, text, timestamptz, uuid),
  compliance.begin_request_check(uuid),
  compliance.confirm_requester(uuid, uuid),
  compliance.hold_request(uuid, text),
  compliance.reject_request(uuid, text),
  compliance.complete_request(uuid, text, text, uuid),
  compliance.escalate_request(uuid),
  compliance.open_breach(text, text[], text[], timestamptz, int, timestamptz, timestamptz, text, uuid, uuid),
  compliance.add_affected_person(uuid, uuid, text[], text),
  compliance.record_person_notice(uuid, uuid, boolean),
  compliance.contain_breach(uuid, text),
  compliance.record_breach_report(uuid, text, timestamptz),
  compliance.close_breach(uuid, text, text),
  compliance.place_hold(text, uuid, jsonb, text, uuid),
  compliance.release_hold(uuid, text),
  compliance.set_retention(text, interval, text, text, text, text, text, int),
  compliance.kept_until(uuid),
  compliance.past_retention(uuid, int),
  compliance.run_erasure(uuid, uuid, uuid, uuid),
  compliance.add_processor(text, text, text[], text, text, jsonb, uuid),
  compliance.activate_processor(uuid, uuid, date, date),
  compliance.review_processor(uuid),
  compliance.terminate_processor(uuid, text),
  compliance.expire_processors(int),
  compliance.report_incident(text, uuid, text, bytea, timestamptz, boolean, uuid, uuid, text, uuid, text, uuid),
  compliance.review_incident(uuid, jsonb),
  compliance.reject_incident(uuid, text),
  compliance.plan_incident_action(uuid, text, uuid, date, text),
  compliance.finish_incident_action(uuid, date),
  compliance.close_incident(uuid, text, text),
  compliance.reopen_incident(uuid, text),
  compliance.record_check(text, text, jsonb, text, text, uuid, text, text, bytea, text, timestamptz),
  compliance.disclosure_accounting(uuid, timestamptz, timestamptz),
  compliance.export_person(uuid)
to business_app;
