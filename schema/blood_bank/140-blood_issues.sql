-- blood_bank.blood_issues: Issue of a unit, bedside check, transfusion, or return.
-- RULE to build: ended_at <= issued_at + interval '4 hours' for red cells (warning flag)
-- RULE to build: crossmatch_id is not null or request urgency is emergency

create table blood_bank.blood_issues (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  issue_number text not null,
  component_id uuid not null,
  request_id uuid not null,
  crossmatch_id uuid,
  patient_id uuid not null,
  issued_at timestamptz not null,
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
  status text not null default 'issued',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint blood_issues_pkey primary key (tenant_id, id),
  constraint blood_issues_issue_number_key unique (tenant_id, issue_number),
  constraint blood_issues_status_check check (status in ('issued', 'transfusing', 'returned', 'completed', 'stopped')),
  constraint blood_issues_issued_by_rule check (issued_by <> received_by),
  constraint blood_issues_bedside_check1_by_rule check (bedside_check1_by is distinct from bedside_check2_by),
  constraint blood_issues_started_at_rule check (
    started_at is null or (bedside_check1_by is not null and bedside_check2_by is not null)
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

create unique index blood_issues_component_key on blood_bank.blood_issues (tenant_id, component_id)
  where status in ('issued', 'transfusing', 'completed');
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
comment on column blood_bank.blood_issues.issue_number is 'class=phi;about=?';
comment on column blood_bank.blood_issues.component_id is 'class=phi;about=?';
comment on column blood_bank.blood_issues.request_id is 'class=phi;about=?';
comment on column blood_bank.blood_issues.crossmatch_id is 'class=phi;about=?';
comment on column blood_bank.blood_issues.patient_id is 'class=phi;about=The patient.';
comment on column blood_bank.blood_issues.issued_at is 'class=phi;about=?';
comment on column blood_bank.blood_issues.issued_by is 'class=phi;about=?';
comment on column blood_bank.blood_issues.received_by is 'class=phi;about=?';
comment on column blood_bank.blood_issues.label_check_by is 'class=phi;about=?';
comment on column blood_bank.blood_issues.bedside_check1_by is 'class=phi;about=?';
comment on column blood_bank.blood_issues.bedside_check2_by is 'class=phi;about=?';
comment on column blood_bank.blood_issues.started_at is 'class=phi;about=?';
comment on column blood_bank.blood_issues.ended_at is 'class=phi;about=?';
comment on column blood_bank.blood_issues.volume_given_ml is 'class=phi;about=?';
comment on column blood_bank.blood_issues.pre_vitals is 'class=phi;about=?';
comment on column blood_bank.blood_issues.post_vitals is 'class=phi;about=?';
comment on column blood_bank.blood_issues.returned_at is 'class=phi;about=?';
comment on column blood_bank.blood_issues.return_reason is 'class=phi;about=?';
comment on column blood_bank.blood_issues.status is 'class=phi;about=?';
select core.comment_standard_columns('blood_bank.blood_issues');

alter table blood_bank.blood_issues enable row level security;
alter table blood_bank.blood_issues force row level security;
create policy tenant_isolation on blood_bank.blood_issues
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger blood_issues_touch before update on blood_bank.blood_issues
  for each row execute function core.update_updated_at_column('row_version');
create trigger blood_issues_transition before insert or update of status on blood_bank.blood_issues
  for each row execute function core.enforce_transition('blood_bank.blood_issues', 'status');
select audit.track('blood_bank.blood_issues');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('blood_bank.blood_issues', '', 'issued', false, null),
  ('blood_bank.blood_issues', 'issued', 'transfusing', false, null),
  ('blood_bank.blood_issues', 'issued', 'returned', false, null),
  ('blood_bank.blood_issues', 'transfusing', 'completed', false, null),
  ('blood_bank.blood_issues', 'transfusing', 'stopped', false, null),
  ('blood_bank.blood_issues', 'stopped', 'completed', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on blood_bank.blood_issues to lab_app;
grant select on blood_bank.blood_issues to lab_ro;
