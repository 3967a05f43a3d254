-- blood_bank.crossmatches: Compatibility test of a unit with a patient sample.
-- RULE to build: ABO compatible by core.abo_compatible(component,donor,recipient) (trigger)
-- RULE to build: method<>'electronic' or patient has confirmed group and negative antibody screen

create table blood_bank.crossmatches (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  request_id uuid not null,
  component_id uuid not null,
  patient_id uuid not null,
  sample_id uuid not null,
  sample_collected_at timestamptz not null,
  method text not null,
  result text,
  performed_by uuid not null,
  performed_at timestamptz not null,
  verified_by uuid,
  valid_until timestamptz not null,
  status text not null default 'pending',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint crossmatches_pkey primary key (tenant_id, id),
  constraint crossmatches_request_component_key unique (tenant_id, request_id, component_id),
  constraint crossmatches_method_check check (method in ('immediate_spin', 'ahg', 'gel', 'electronic')),
  constraint crossmatches_result_check check (result in ('compatible', 'incompatible', 'least_incompatible')),
  constraint crossmatches_status_check check (
    status in ('pending', 'compatible', 'incompatible', 'used', 'expired', 'released')
  ),
  constraint crossmatches_valid_until_rule check (valid_until <= sample_collected_at + interval '72 hours')
);

alter table blood_bank.crossmatches add constraint crossmatches_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table blood_bank.crossmatches add constraint crossmatches_request_fkey
  foreign key (tenant_id, request_id) references blood_bank.blood_requests (tenant_id, id);
alter table blood_bank.crossmatches add constraint crossmatches_component_fkey
  foreign key (tenant_id, component_id) references blood_bank.blood_components (tenant_id, id);
alter table blood_bank.crossmatches add constraint crossmatches_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table blood_bank.crossmatches add constraint crossmatches_sample_fkey
  foreign key (tenant_id, sample_id) references laboratory.samples (tenant_id, id);
alter table blood_bank.crossmatches add constraint crossmatches_performed_by_fkey
  foreign key (tenant_id, performed_by) references workforce.staff (tenant_id, id);
alter table blood_bank.crossmatches add constraint crossmatches_verified_by_fkey
  foreign key (tenant_id, verified_by) references workforce.staff (tenant_id, id);

create index crossmatches_component_idx on blood_bank.crossmatches (tenant_id, component_id);
create index crossmatches_patient_idx on blood_bank.crossmatches (tenant_id, patient_id);
create index crossmatches_sample_idx on blood_bank.crossmatches (tenant_id, sample_id);
create index crossmatches_performed_by_idx on blood_bank.crossmatches (tenant_id, performed_by);
create index crossmatches_verified_by_idx on blood_bank.crossmatches (tenant_id, verified_by)
  where verified_by is not null;

comment on table blood_bank.crossmatches is 'class=phi;scope=tenant;owner=lab;fhir=Observation;retention=medical_record;about=Compatibility test of a unit with a patient sample.';
comment on column blood_bank.crossmatches.request_id is 'class=phi;about=?';
comment on column blood_bank.crossmatches.component_id is 'class=phi;about=?';
comment on column blood_bank.crossmatches.patient_id is 'class=phi;about=The patient.';
comment on column blood_bank.crossmatches.sample_id is 'class=phi;about=?';
comment on column blood_bank.crossmatches.sample_collected_at is 'class=phi;about=?';
comment on column blood_bank.crossmatches.method is 'class=phi;about=?';
comment on column blood_bank.crossmatches.result is 'class=phi;about=?';
comment on column blood_bank.crossmatches.performed_by is 'class=phi;about=?';
comment on column blood_bank.crossmatches.performed_at is 'class=phi;about=?';
comment on column blood_bank.crossmatches.verified_by is 'class=phi;about=?';
comment on column blood_bank.crossmatches.valid_until is 'class=phi;about=?';
comment on column blood_bank.crossmatches.status is 'class=phi;about=?';
select core.comment_standard_columns('blood_bank.crossmatches');

alter table blood_bank.crossmatches enable row level security;
alter table blood_bank.crossmatches force row level security;
create policy tenant_isolation on blood_bank.crossmatches
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger crossmatches_touch before update on blood_bank.crossmatches
  for each row execute function core.update_updated_at_column('row_version');
create trigger crossmatches_transition before insert or update of status on blood_bank.crossmatches
  for each row execute function core.enforce_transition('blood_bank.crossmatches', 'status');
select audit.track('blood_bank.crossmatches');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('blood_bank.crossmatches', '', 'pending', false, null),
  ('blood_bank.crossmatches', 'pending', 'compatible', false, null),
  ('blood_bank.crossmatches', 'pending', 'incompatible', false, null),
  ('blood_bank.crossmatches', 'compatible', 'used', false, null),
  ('blood_bank.crossmatches', 'compatible', 'expired', false, null),
  ('blood_bank.crossmatches', 'compatible', 'released', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on blood_bank.crossmatches to lab_app;
grant select on blood_bank.crossmatches to lab_ro;
