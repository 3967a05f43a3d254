-- blood_bank.blood_issues: a unit leaves the blood bank for a patient, is checked at the bedside, given or brought back.
--
-- blood_issues_one_live_issue: of one unit there is never more than one issue that is out, running or done. A
-- transfusion starts only after two different people have checked patient and unit. A discharge waits for units that are
-- out (trigger on clinical.admissions, IM203).

create table blood_bank.blood_issues (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  issue_number text not null,
  component_id uuid not null,
  request_id uuid not null,
  crossmatch_id uuid,
  patient_id uuid not null,
  issued_at timestamptz not null default now(),
  issued_by uuid not null,
  received_by uuid not null,
  label_check_by uuid not null,
  bedside_check1_by uuid,
  bedside_check2_by uuid,
  started_at timestamptz,
  ended_at timestamptz,
  volume_given_ml smallint,
  pre_vitals jsonb,
  post_vitals jsonb,
  returned_at timestamptz,
  return_reason text,
  warnings text[] not null default '{}',
  status text not null default 'issued',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint blood_issues_pkey primary key (tenant_id, id),
  constraint blood_issues_issue_number_key unique (tenant_id, issue_number),
  constraint blood_issues_status_check check (status in ('issued', 'transfusing', 'returned', 'completed', 'stopped')),
  constraint blood_issues_taken_by_another_person check (issued_by <> received_by),
  constraint blood_issues_two_different_checkers check (
    num_nulls(bedside_check1_by, bedside_check2_by) = 2
    or (num_nulls(bedside_check1_by, bedside_check2_by) = 0 and bedside_check1_by <> bedside_check2_by)
  ),
  constraint blood_issues_checked_before_start check (started_at is null or bedside_check2_by is not null),
  constraint blood_issues_start_after_issue check (started_at >= issued_at),
  constraint blood_issues_running_has_started check (
    status not in ('transfusing', 'stopped', 'completed') or started_at is not null
  ),
  constraint blood_issues_completed_is_measured check (
    status <> 'completed' or num_nulls(ended_at, volume_given_ml) = 0
  ),
  constraint blood_issues_end_after_start check (ended_at >= started_at),
  constraint blood_issues_volume_not_negative check (volume_given_ml >= 0),
  constraint blood_issues_returned_for_a_reason check (
    status <> 'returned' or num_nulls(returned_at, return_reason) = 0
  )
);

alter table blood_bank.blood_issues add constraint blood_issues_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table blood_bank.blood_issues add constraint blood_issues_component_fkey
  foreign key (tenant_id, component_id) references blood_bank.blood_components (tenant_id, id);
alter table blood_bank.blood_issues add constraint blood_issues_request_fkey
  foreign key (tenant_id, request_id) references blood_bank.blood_requests (tenant_id, id);
alter table blood_bank.blood_issues add constraint blood_issues_crossmatch_fkey
  foreign key (tenant_id, crossmatch_id) references blood_bank.crossmatches (tenant_id, id);
alter table blood_bank.blood_issues add constraint blood_issues_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table blood_bank.blood_issues add constraint blood_issues_issued_by_fkey
  foreign key (tenant_id, issued_by) references workforce.staff (tenant_id, id);
alter table blood_bank.blood_issues add constraint blood_issues_received_by_fkey
  foreign key (tenant_id, received_by) references workforce.staff (tenant_id, id);
alter table blood_bank.blood_issues add constraint blood_issues_label_check_by_fkey
  foreign key (tenant_id, label_check_by) references workforce.staff (tenant_id, id);
alter table blood_bank.blood_issues add constraint blood_issues_bedside_check1_by_fkey
  foreign key (tenant_id, bedside_check1_by) references workforce.staff (tenant_id, id);
alter table blood_bank.blood_issues add constraint blood_issues_bedside_check2_by_fkey
  foreign key (tenant_id, bedside_check2_by) references workforce.staff (tenant_id, id);

create unique index blood_issues_one_live_issue on blood_bank.blood_issues (tenant_id, component_id)
  where status in ('issued', 'transfusing', 'stopped', 'completed');
-- what is out
create index blood_issues_out_idx on blood_bank.blood_issues (tenant_id, issued_at)
  where status in ('issued', 'transfusing', 'stopped');
create index blood_issues_component_idx on blood_bank.blood_issues (tenant_id, component_id);
create index blood_issues_request_idx on blood_bank.blood_issues (tenant_id, request_id);
create index blood_issues_crossmatch_idx on blood_bank.blood_issues (tenant_id, crossmatch_id)
  where crossmatch_id is not null;
create index blood_issues_patient_idx on blood_bank.blood_issues (tenant_id, patient_id);
create index blood_issues_issued_by_idx on blood_bank.blood_issues (tenant_id, issued_by);
create index blood_issues_received_by_idx on blood_bank.blood_issues (tenant_id, received_by);
create index blood_issues_label_check_by_idx on blood_bank.blood_issues (tenant_id, label_check_by);
create index blood_issues_bedside_check1_by_idx on blood_bank.blood_issues (tenant_id, bedside_check1_by)
  where bedside_check1_by is not null;
create index blood_issues_bedside_check2_by_idx on blood_bank.blood_issues (tenant_id, bedside_check2_by)
  where bedside_check2_by is not null;

comment on table blood_bank.blood_issues is 'class=phi;scope=tenant;owner=lab;fhir=BiologicallyDerivedProduct,MedicationAdministration;retention=medical_record;about=Issue of a unit, bedside check, transfusion, or return.';
comment on column blood_bank.blood_issues.issue_number is 'class=operational;about=Number of the issue, series blood_issue.';
comment on column blood_bank.blood_issues.component_id is 'class=phi;about=The unit.';
comment on column blood_bank.blood_issues.request_id is 'class=phi;about=The request.';
comment on column blood_bank.blood_issues.crossmatch_id is 'class=phi;about=Crossmatch that it was issued on, or that was read after an emergency release; null for plasma and platelets.';
comment on column blood_bank.blood_issues.patient_id is 'class=phi;about=The patient.';
comment on column blood_bank.blood_issues.issued_at is 'class=phi;about=When it left the blood bank.';
comment on column blood_bank.blood_issues.issued_by is 'class=operational;about=Member of staff who handed it over.';
comment on column blood_bank.blood_issues.received_by is 'class=operational;about=Member of staff who took it, another person.';
comment on column blood_bank.blood_issues.label_check_by is 'class=operational;about=Member of staff who compared label, form and unit at the hatch.';
comment on column blood_bank.blood_issues.bedside_check1_by is 'class=operational;about=First person who checked patient and unit at the bedside.';
comment on column blood_bank.blood_issues.bedside_check2_by is 'class=operational;about=Second person who did, another one.';
comment on column blood_bank.blood_issues.started_at is 'class=phi;about=Start of the transfusion.';
comment on column blood_bank.blood_issues.ended_at is 'class=phi;about=End of the transfusion.';
comment on column blood_bank.blood_issues.volume_given_ml is 'class=phi;about=Volume that the patient received in ml.';
comment on column blood_bank.blood_issues.pre_vitals is 'class=phi;about=Vital signs before: temperature, pulse, blood pressure, respiration.';
comment on column blood_bank.blood_issues.post_vitals is 'class=phi;about=Vital signs after.';
comment on column blood_bank.blood_issues.returned_at is 'class=phi;about=When the unit came back unused, or was reported destroyed.';
comment on column blood_bank.blood_issues.return_reason is 'class=phi;about=Why it came back.';
comment on column blood_bank.blood_issues.warnings is 'class=phi;about=What was accepted knowingly or noticed: without_consent, rhd_override, group_unconfirmed, platelets_of_other_group, least_incompatible, not_crossmatched, incompatible_afterwards, over_four_hours.';
comment on column blood_bank.blood_issues.status is 'class=phi;about=issued, transfusing, stopped, completed or returned.';
select core.comment_standard_columns('blood_bank.blood_issues');

alter table blood_bank.blood_issues enable row level security, force row level security;
create policy tenant_isolation on blood_bank.blood_issues
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger blood_issues_on_crossmatch_or_emergency before insert on blood_bank.blood_issues
  for each row execute function blood_bank.check_issue();
create trigger blood_issues_no_aadhaar before insert or update on blood_bank.blood_issues
  for each row execute function core.reject_aadhaar_like('return_reason');
create trigger blood_issues_touch before update on blood_bank.blood_issues
  for each row execute function core.update_updated_at_column('row_version');
create trigger blood_issues_transition before insert or update of status on blood_bank.blood_issues
  for each row execute function core.enforce_transition('blood_bank.blood_issues', 'status');
create trigger blood_issues_announced after insert on blood_bank.blood_issues
  for each row execute function core.announce_first_state('blood_bank.blood_issues');
select audit.track('blood_bank.blood_issues');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('blood_bank.blood_issues', '', 'issued', false, 'blood.issued.v1'),
  ('blood_bank.blood_issues', 'issued', 'transfusing', false, null),
  ('blood_bank.blood_issues', 'issued', 'returned', true, 'blood.returned.v1'),
  ('blood_bank.blood_issues', 'transfusing', 'completed', false, null),
  ('blood_bank.blood_issues', 'transfusing', 'stopped', true, null),
  ('blood_bank.blood_issues', 'stopped', 'completed', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on blood_bank.blood_issues to lab_app;
grant select on blood_bank.blood_issues to lab_ro;
