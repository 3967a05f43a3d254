-- compliance.incidents: near misses, adverse and sentinel events, non-conformities, infections, drug reactions, with what was
-- found and done. Anybody may report without their name; a sentinel event goes on only with its root cause.

create table compliance.incidents (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  incident_number text not null,
  kind text not null,
  patient_id uuid,
  encounter_id uuid,
  department_id uuid not null,
  occurred_at timestamptz not null,
  reported_at timestamptz not null default now(),
  reported_by uuid,
  anonymous boolean not null default false,
  severity text not null,
  description_enc bytea not null,
  subject_type text,
  subject_id uuid,
  immediate_action text,
  root_cause jsonb,
  corrective_action text,
  preventive_action text,
  capa_owner_id uuid,
  capa_due_on date,
  capa_done_on date,
  effectiveness text,
  external_report jsonb,
  status text not null default 'reported',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint incidents_pkey primary key (tenant_id, id),
  constraint incidents_number_key unique (tenant_id, incident_number),
  constraint incidents_kind_check check (
    kind in (
      'near_miss', 'adverse_event', 'sentinel', 'medication_error', 'adr', 'fall', 'pressure_injury', 'hai',
      'needle_stick', 'lab_nonconformity', 'equipment', 'security', 'complaint', 'other'
    )
  ),
  constraint incidents_severity_check check (severity in ('none', 'mild', 'moderate', 'severe', 'death')),
  constraint incidents_status_check check (
    status in ('reported', 'under_review', 'rejected', 'action_planned', 'closed', 'action_done')
  ),
  constraint incidents_reported_after_they_happened check (reported_at >= occurred_at),
  constraint incidents_reported_by_somebody check (anonymous = (reported_by is null)),
  constraint incidents_sentinel_has_root_cause check (
    kind <> 'sentinel' or status in ('reported', 'under_review', 'rejected') or root_cause is not null
  ),
  constraint incidents_closed_when_effective check (
    status <> 'closed' or (corrective_action is not null and effectiveness is not null)
  ),
  constraint incidents_planned_with_owner check (
    status <> 'action_planned' or (corrective_action is not null and capa_owner_id is not null and capa_due_on is not null)
  ),
  constraint incidents_done_on_a_day check (status <> 'action_done' or capa_done_on is not null),
  constraint incidents_subject_is_whole check ((subject_type is null) = (subject_id is null))
);

alter table compliance.incidents add constraint incidents_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table compliance.incidents add constraint incidents_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table compliance.incidents add constraint incidents_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table compliance.incidents add constraint incidents_department_fkey
  foreign key (tenant_id, department_id) references facility.departments (tenant_id, id);
alter table compliance.incidents add constraint incidents_reported_by_fkey
  foreign key (tenant_id, reported_by) references workforce.staff (tenant_id, id);
alter table compliance.incidents add constraint incidents_capa_owner_fkey
  foreign key (tenant_id, capa_owner_id) references workforce.staff (tenant_id, id);

create index incidents_open_idx on compliance.incidents (tenant_id, capa_due_on) where status not in ('closed', 'rejected');
create index incidents_patient_idx on compliance.incidents (tenant_id, patient_id)
  where patient_id is not null;
create index incidents_encounter_idx on compliance.incidents (tenant_id, encounter_id)
  where encounter_id is not null;
create index incidents_department_idx on compliance.incidents (tenant_id, department_id);
create index incidents_reported_by_idx on compliance.incidents (tenant_id, reported_by)
  where reported_by is not null;
create index incidents_capa_owner_idx on compliance.incidents (tenant_id, capa_owner_id)
  where capa_owner_id is not null;

comment on table compliance.incidents is 'class=phi;scope=tenant;owner=business;fhir=AdverseEvent;retention=medical_record;about=Incidents with review, root cause, corrective and preventive action.';
comment on column compliance.incidents.incident_number is 'class=operational;about=Number of the register, INC-YY-n.';
comment on column compliance.incidents.kind is 'class=operational;about=near_miss, adverse_event, sentinel, medication_error, adr, fall, pressure_injury, hai, needle_stick, lab_nonconformity, equipment, security, complaint or other.';
comment on column compliance.incidents.patient_id is 'class=phi;about=The patient whom it concerns.';
comment on column compliance.incidents.encounter_id is 'class=phi;about=The visit or stay.';
comment on column compliance.incidents.department_id is 'class=operational;about=Where it happened.';
comment on column compliance.incidents.occurred_at is 'class=operational;about=When it happened.';
comment on column compliance.incidents.reported_at is 'class=operational;about=When it was reported.';
comment on column compliance.incidents.reported_by is 'class=operational;about=Member of staff who reported; none for an anonymous report.';
comment on column compliance.incidents.anonymous is 'class=operational;about=Reported without a name.';
comment on column compliance.incidents.severity is 'class=phi;about=Harm: none, mild, moderate, severe or death.';
comment on column compliance.incidents.description_enc is 'class=phi;enc=1;about=What happened, encrypted.';
comment on column compliance.incidents.subject_type is 'class=operational;about=What it is about, schema.table, such as medication.dispenses.';
comment on column compliance.incidents.subject_id is 'class=operational;about=The row that it is about.';
comment on column compliance.incidents.immediate_action is 'class=phi;about=What was done at once.';
comment on column compliance.incidents.root_cause is 'class=phi;about=Findings: {"method": .., "causes": [..]}.';
comment on column compliance.incidents.corrective_action is 'class=phi;about=What puts it right.';
comment on column compliance.incidents.preventive_action is 'class=phi;about=What keeps it from happening again.';
comment on column compliance.incidents.capa_owner_id is 'class=operational;about=Member of staff who sees to it.';
comment on column compliance.incidents.capa_due_on is 'class=operational;about=Until when.';
comment on column compliance.incidents.capa_done_on is 'class=operational;about=When it was done.';
comment on column compliance.incidents.effectiveness is 'class=phi;about=Whether it helped, and how that was seen.';
comment on column compliance.incidents.external_report is 'class=phi;about=Reports to authorities: {"to": .., "reference": .., "on": ..}.';
comment on column compliance.incidents.status is 'class=operational;about=reported, under_review, action_planned, action_done, closed or rejected.';
select core.comment_standard_columns('compliance.incidents');

alter table compliance.incidents enable row level security, force row level security;
create policy tenant_isolation on compliance.incidents
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger incidents_no_aadhaar
  before insert or update of immediate_action, corrective_action, preventive_action, effectiveness on compliance.incidents
  for each row execute function core.reject_aadhaar_like(
    'immediate_action', 'corrective_action', 'preventive_action', 'effectiveness'
  );
create trigger incidents_touch before update on compliance.incidents
  for each row execute function core.update_updated_at_column('row_version');
create trigger incidents_transition before insert or update of status on compliance.incidents
  for each row execute function core.enforce_transition('compliance.incidents', 'status');
select audit.track('compliance.incidents');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('compliance.incidents', '', 'reported', false, null),
  ('compliance.incidents', 'reported', 'under_review', false, null),
  ('compliance.incidents', 'reported', 'rejected', true, null),
  ('compliance.incidents', 'under_review', 'action_planned', false, null),
  ('compliance.incidents', 'under_review', 'closed', false, null),
  ('compliance.incidents', 'action_planned', 'action_done', false, null),
  ('compliance.incidents', 'action_done', 'closed', false, null),
  ('compliance.incidents', 'action_done', 'under_review', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on compliance.incidents to business_app;
grant select on compliance.incidents to business_ro;
