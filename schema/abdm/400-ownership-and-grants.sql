-- fhir_owner owns the module. Applications read its tables and call its operations; only the registrations of sites they
-- write themselves. Below are the columns and functions of other services that the operations use: what a service of its own
-- replaces by projections.

select core.hand_over('abdm', 'fhir');

grant usage on schema patient, facility, clinical, compliance, audit, ehr to fhir_owner;

grant select (
  tenant_id, id, mrn, name_phonetic, sex, birth_date, birth_date_precision, mobile_bidx, merged_into_id, deleted_at
) on patient.patients to fhir_owner;
grant select (tenant_id, id, patient_id, kind, value_bidx, deleted_at) on patient.patient_identifiers to fhir_owner;
-- unlinking takes the identifier away
grant update (deleted_at, deleted_by, delete_reason) on patient.patient_identifiers to fhir_owner;
grant execute on function
  patient.add_identifier(uuid, jsonb), patient.name_key(text), patient.bytes_of(jsonb, text), patient.ids_of(uuid[])
to fhir_owner;

grant select (tenant_id, id, patient_id, clinic_id) on clinical.encounters to fhir_owner;
grant select (tenant_id, id, patient_id, kind, decision, status, given_at, expires_at) on compliance.consents to fhir_owner;
grant select (tenant_id, user_id, patient_id, status, expires_at) on audit.break_glass_sessions to fhir_owner;
-- erasing what a consent allowed us to hold
grant select (tenant_id, id, deleted_at) on ehr.documents to fhir_owner;
grant update (deleted_at, deleted_by, delete_reason) on ehr.documents to fhir_owner;

-- what abdm.encounters_without_context shows
grant usage on schema clinical to fhir_app, fhir_ro;
grant select (tenant_id, id, patient_id, clinic_id, class, status, period) on clinical.encounters to fhir_app, fhir_ro;
grant select on abdm.encounters_without_context to fhir_app, fhir_ro;

do $$
begin
  -- erasure asks for legal holds
  if to_regprocedure('compliance.is_under_hold(text, text, uuid, uuid)') is not null then
    grant execute on function
      compliance.is_under_hold(text, text, uuid, uuid), compliance.holds_lock_key(uuid)
    to fhir_owner;
  end if;
end
$$;

grant execute on function
  abdm.normalise_abha_number(text),
  abdm.start_registration(uuid, text, text, uuid, uuid, uuid),
  abdm.record_otp_sent(uuid, uuid),
  abdm.record_otp_result(uuid, boolean, boolean, text),
  abdm.record_enrolment(uuid, jsonb),
  abdm.record_abha_address(uuid, text),
  abdm.fail_registration(uuid, text, text),
  abdm.expire_registrations(integer),
  abdm.link_abha(uuid, uuid, text, uuid),
  abdm.unlink_abha(uuid, text),
  abdm.record_abha_status(text, bytea, text),
  abdm.add_care_context(uuid, text, text, uuid, date, uuid, text),
  abdm.mark_contexts_notified(uuid[]),
  abdm.unlink_care_context(uuid, text, boolean),
  abdm.request_link_token(uuid, uuid, text),
  abdm.store_link_token(uuid, bytea, timestamptz),
  abdm.link_care_contexts(uuid, uuid, uuid[]),
  abdm.record_link_result(uuid, text),
  abdm.discover_patient(uuid, jsonb),
  abdm.init_link(uuid, uuid, text[], text, bytea),
  abdm.confirm_link(text, bytea),
  abdm.expire_linking(integer),
  abdm.request_consent(jsonb),
  abdm.record_consent_request(uuid, uuid, text),
  abdm.ingest_consent(uuid, jsonb),
  abdm.expire_consents(integer),
  abdm.open_session(jsonb),
  abdm.authorise_transfer(uuid, text[]),
  abdm.reject_session(uuid, text),
  abdm.record_transfer(uuid, jsonb),
  abdm.finish_transfer(uuid, text, text),
  abdm.mark_session_notified(uuid),
  abdm.erase_due(integer),
  abdm.receive_message(uuid, text, bytea, jsonb),
  abdm.queue_message(uuid, text, bytea, jsonb),
  abdm.claim_messages(text, integer, interval),
  abdm.complete_message(uuid, uuid, integer, text, uuid),
  abdm.retry_message(uuid, uuid, text, integer),
  abdm.replay_message(uuid)
to fhir_app;
