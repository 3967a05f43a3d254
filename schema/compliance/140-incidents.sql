-- compliance.incidents: Near misses, adverse and sentinel events, lab non-conformities, HAIs, ADRs, with CAPA.

create table compliance.incidents (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  incident_number text not null,
  kind text not null,
  patient_id uuid,
  encounter_id uuid,
  department_id uuid not null,
  occurred_at timestamptz not null,
  reported_at timestamptz not null,
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
  constraint incidents_incident_number_key unique (tenant_id, incident_number),
  constraint incidents_kind_check check (
    kind in ('near_miss', 'adverse_event', 'sentinel', 'medication_error', 'adr', 'fall', 'pressure_injury', 'hai', 'needle_stick', 'lab_nonconformity', 'equipment', 'security', 'complaint', 'other')
  ),
  constraint incidents_severity_check check (severity in ('none', 'mild', 'moderate', 'severe', 'death')),
  constraint incidents_status_check check (
    status in ('reported', 'under_review', 'rejected', 'action_planned', 'closed', 'action_done')
  ),
  constraint incidents_reported_at_rule check (reported_at >= occurred_at),
  constraint incidents_anonymous_rule check (anonymous or reported_by is not null),
  constraint incidents_sentinel_complete check (
    kind <> 'sentinel' or status in ('reported', 'under_review') or root_cause is not null
  ),
  constraint incidents_closed_complete check (
    status <> 'closed' or (corrective_action is not null and effectiveness is not null)
  )
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

create index incidents_patient_idx on compliance.incidents (tenant_id, patient_id)
  where patient_id is not null;
create index incidents_encounter_idx on compliance.incidents (tenant_id, encounter_id)
  where encounter_id is not null;
create index incidents_department_idx on compliance.incidents (tenant_id, department_id);
create index incidents_reported_by_idx on compliance.incidents (tenant_id, reported_by)
  where reported_by is not null;
create index incidents_capa_owner_idx on compliance.incidents (tenant_id, capa_owner_id)
  where capa_owner_id is not null;

comment on table compliance.incidents is 'class=phi;scope=tenant;owner=business;fhir=AdverseEvent;retention=medical_record;about=Near misses, adverse and sentinel events, lab non-conformities, HAIs, ADRs, with CAPA.';
comment on column compliance.incidents.incident_number is 'class=phi;about=?';
comment on column compliance.incidents.kind is 'class=phi;about=?';
comment on column compliance.incidents.patient_id is 'class=phi;about=The patient.';
comment on column compliance.incidents.encounter_id is 'class=phi;about=The encounter that it belongs to.';
comment on column compliance.incidents.department_id is 'class=phi;about=The department.';
comment on column compliance.incidents.occurred_at is 'class=phi;about=?';
comment on column compliance.incidents.reported_at is 'class=phi;about=?';
comment on column compliance.incidents.reported_by is 'class=phi;about=?';
comment on column compliance.incidents.anonymous is 'class=phi;about=?';
comment on column compliance.incidents.severity is 'class=phi;about=?';
comment on column compliance.incidents.description_enc is 'class=phi;enc=1;about=?';
comment on column compliance.incidents.subject_type is 'class=phi;about=?';
comment on column compliance.incidents.subject_id is 'class=phi;about=?';
comment on column compliance.incidents.immediate_action is 'class=phi;about=?';
comment on column compliance.incidents.root_cause is 'class=phi;about=?';
comment on column compliance.incidents.corrective_action is 'class=phi;about=?';
comment on column compliance.incidents.preventive_action is 'class=phi;about=?';
comment on column compliance.incidents.capa_owner_id is 'class=phi;about=?';
comment on column compliance.incidents.capa_due_on is 'class=phi;about=?';
comment on column compliance.incidents.capa_done_on is 'class=phi;about=?';
comment on column compliance.incidents.effectiveness is 'class=phi;about=?';
comment on column compliance.incidents.external_report is 'class=phi;about=?';
comment on column compliance.incidents.status is 'class=phi;about=?';
select core.comment_standard_columns('compliance.incidents');

alter table compliance.incidents enable row level security;
alter table compliance.incidents force row level security;
create policy tenant_isolation on compliance.incidents
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger incidents_touch before update on compliance.incidents
  for each row execute function core.update_updated_at_column('row_version');
create trigger incidents_transition before insert or update of status on compliance.incidents
  for each row execute function core.enforce_transition('compliance.incidents', 'status');
select audit.track('compliance.incidents');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('compliance.incidents', '', 'reported', false, null),
  ('compliance.incidents', 'reported', 'under_review', false, null),
  ('compliance.incidents', 'reported', 'rejected', false, null),
  ('compliance.incidents', 'under_review', 'action_planned', false, null),
  ('compliance.incidents', 'under_review', 'closed', false, null),
  ('compliance.incidents', 'action_planned', 'action_done', false, null),
  ('compliance.incidents', 'action_done', 'closed', false, null),
  ('compliance.incidents', 'action_done', 'under_review', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on compliance.incidents to business_app;
grant select on compliance.incidents to business_ro;
