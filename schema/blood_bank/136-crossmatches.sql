-- blood_bank.crossmatches: a unit is tested against a sample of the patient.
--
-- One live crossmatch for a unit and request, valid for at most 72 hours from the collection of the sample. Trigger
-- crossmatches_may_match refuses a unit that the groups forbid (IM352) and an electronic crossmatch without a confirmed
-- group and a negative antibody screen (IM355).

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
  performed_at timestamptz not null default now(),
  verified_by uuid,
  valid_until timestamptz not null,
  status text not null default 'pending',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint crossmatches_pkey primary key (tenant_id, id),
  constraint crossmatches_method_check check (method in ('immediate_spin', 'ahg', 'gel', 'electronic')),
  constraint crossmatches_result_check check (result in ('compatible', 'incompatible', 'least_incompatible')),
  constraint crossmatches_status_check check (
    status in ('pending', 'compatible', 'incompatible', 'used', 'expired', 'released')
  ),
  constraint crossmatches_valid_72_hours_at_most check (valid_until <= sample_collected_at + interval '72 hours'),
  constraint crossmatches_status_follows_result check (
    case
      when status = 'pending' then result is null
      when status = 'incompatible' then result = 'incompatible'
      when status = 'released' then coalesce(result, '') <> 'incompatible'
      else coalesce(result in ('compatible', 'least_incompatible'), false)
    end
  ),
  constraint crossmatches_verified_by_second_person check (verified_by <> performed_by)
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

create unique index crossmatches_one_live_key on blood_bank.crossmatches (tenant_id, request_id, component_id)
  where status in ('pending', 'compatible', 'used');
create index crossmatches_request_idx on blood_bank.crossmatches (tenant_id, request_id);
create index crossmatches_component_idx on blood_bank.crossmatches (tenant_id, component_id);
create index crossmatches_patient_idx on blood_bank.crossmatches (tenant_id, patient_id);
create index crossmatches_sample_idx on blood_bank.crossmatches (tenant_id, sample_id);
create index crossmatches_performed_by_idx on blood_bank.crossmatches (tenant_id, performed_by);
create index crossmatches_verified_by_idx on blood_bank.crossmatches (tenant_id, verified_by)
  where verified_by is not null;

comment on table blood_bank.crossmatches is 'class=phi;scope=tenant;owner=lab;fhir=Observation;retention=medical_record;about=Compatibility test of a unit with a patient sample.';
comment on column blood_bank.crossmatches.request_id is 'class=phi;about=The request.';
comment on column blood_bank.crossmatches.component_id is 'class=phi;about=The unit.';
comment on column blood_bank.crossmatches.patient_id is 'class=phi;about=The patient.';
comment on column blood_bank.crossmatches.sample_id is 'class=phi;about=Sample of the patient that was used.';
comment on column blood_bank.crossmatches.sample_collected_at is 'class=phi;about=When that sample was taken.';
comment on column blood_bank.crossmatches.method is 'class=phi;about=immediate_spin, ahg, gel or electronic.';
comment on column blood_bank.crossmatches.result is 'class=phi;about=compatible, incompatible or least_incompatible (given only on emergency release); null while it runs.';
comment on column blood_bank.crossmatches.performed_by is 'class=operational;about=Member of staff who tested.';
comment on column blood_bank.crossmatches.performed_at is 'class=phi;about=When the test was read, or begun while there is no result.';
comment on column blood_bank.crossmatches.verified_by is 'class=operational;about=Second member of staff, where one verified.';
comment on column blood_bank.crossmatches.valid_until is 'class=phi;about=Until then the unit may be issued on it.';
comment on column blood_bank.crossmatches.status is 'class=phi;about=pending, compatible, incompatible, used, expired or released.';
select core.comment_standard_columns('blood_bank.crossmatches');

alter table blood_bank.crossmatches enable row level security, force row level security;
create policy tenant_isolation on blood_bank.crossmatches
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger crossmatches_may_match before insert on blood_bank.crossmatches
  for each row execute function blood_bank.check_crossmatch();
create trigger crossmatches_touch before update on blood_bank.crossmatches
  for each row execute function core.update_updated_at_column('row_version');
create trigger crossmatches_transition before insert or update of status on blood_bank.crossmatches
  for each row execute function core.enforce_transition('blood_bank.crossmatches', 'status');
select audit.track('blood_bank.crossmatches');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('blood_bank.crossmatches', '', 'pending', false, null),
  ('blood_bank.crossmatches', 'pending', 'compatible', false, null),
  ('blood_bank.crossmatches', 'pending', 'incompatible', false, null),
  ('blood_bank.crossmatches', 'pending', 'released', false, null),
  ('blood_bank.crossmatches', 'compatible', 'used', false, null),
  ('blood_bank.crossmatches', 'compatible', 'expired', false, null),
  ('blood_bank.crossmatches', 'compatible', 'released', false, null),
  ('blood_bank.crossmatches', 'used', 'released', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on blood_bank.crossmatches to lab_app;
grant select on blood_bank.crossmatches to lab_ro;
