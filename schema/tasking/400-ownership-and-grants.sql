-- The module belongs to business_owner, as workforce and compliance do. Its operations read a few columns of other services.

select core.hand_over('tasking', 'business');

-- lists the tenants, which no service may: ids only, and only for the refresh of reports
alter function tasking.active_tenant_ids() owner to imhotep_platform;
grant usage on schema tasking to imhotep_platform;
grant execute on function tasking.active_tenant_ids() to business_owner;
grant execute on function tasking.refresh_emr_verification_report() to imhotep_platform;

grant usage on schema facility, clinical, cds to business_owner;
grant select (tenant_id, bed_id, encounter_id, kind, status) on facility.bed_allocations to business_owner;
grant select (tenant_id, id, patient_id, deleted_at) on clinical.encounters to business_owner;
grant select (tenant_id, patient_id, status) on cds.alerts to business_owner;

-- the names that tasking.patient_task_summary shows
grant usage on schema patient to business_app, business_ro;
grant select (tenant_id, id, mrn, given_name, family_name) on patient.patients to business_app, business_ro;
grant select on tasking.patient_task_summary, tasking.open_conflicts to business_app, business_ro;

grant execute on function
  tasking.create_task(
    uuid, text, text, tasking.task_priority, uuid, uuid, uuid, uuid, timestamptz, boolean, bytea, text, uuid, uuid
  ),
  tasking.assign_task(uuid, uuid),
  tasking.start_task(uuid),
  tasking.hold_task(uuid, text),
  tasking.complete_task(uuid),
  tasking.verify_task(uuid),
  tasking.reopen_task(uuid, text),
  tasking.cancel_task(uuid, text),
  tasking.mark_overdue_tasks(int),
  tasking.open_verification(uuid, core.emr_system, text, text, jsonb, uuid, uuid),
  tasking.begin_verification(uuid),
  tasking.record_verification(uuid, jsonb, text),
  tasking.fail_verification(uuid, text, interval),
  tasking.repeat_verifications(int),
  tasking.decide_verification(uuid, boolean, text),
  tasking.draft_handover(uuid, uuid, uuid, timestamptz, bytea, uuid),
  tasking.add_handover_patient(uuid, uuid, text, bytea, jsonb, jsonb, bytea, int),
  tasking.submit_handover(uuid),
  tasking.cancel_handover(uuid, text),
  tasking.revise_handover(uuid),
  tasking.read_back(uuid, uuid, bytea),
  tasking.accept_handover(uuid, jsonb),
  tasking.reject_handover(uuid, text),
  tasking.complete_handover(uuid),
  tasking.close_shift(uuid),
  tasking.merge_operation(uuid, text, text, uuid, jsonb, bytea, jsonb, bigint, int),
  tasking.resolve_conflict(uuid, jsonb, bytea, text),
  tasking.emr_verification_summary(date, date)
to business_app;
