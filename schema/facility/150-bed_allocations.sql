-- Who lies, lay or will lie in which bed, as ranges of time. The exclusion constraints are the last word: no bed holds
-- two patients at one instant, no encounter and no patient occupies two beds. Only operations write here. The clinical
-- module adds the foreign key of encounter_id and the policy of beds (sex, age, isolation, class).

create table facility.bed_allocations (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  bed_id uuid not null,
  encounter_id uuid not null,
  patient_id uuid not null,
  kind text not null,
  period tstzrange not null,
  reserved_until timestamptz,
  transfer_from_id uuid,
  reason text,
  released_by uuid,
  status text not null default 'reserved',
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint bed_allocations_pkey primary key (tenant_id, id),
  constraint bed_allocations_one_patient_per_bed exclude using gist (
    tenant_id with =, bed_id with =, period with &&
  ) where (status in ('reserved', 'active')),
  constraint bed_allocations_one_bed_per_encounter exclude using gist (
    tenant_id with =, encounter_id with =, period with &&
  ) where (status = 'active' and kind = 'occupancy'),
  constraint bed_allocations_one_bed_per_patient exclude using gist (
    tenant_id with =, patient_id with =, period with &&
  ) where (status = 'active' and kind = 'occupancy'),
  constraint bed_allocations_kind_check check (kind in ('reservation', 'occupancy')),
  constraint bed_allocations_status_check check (status in ('reserved', 'active', 'completed', 'released', 'expired')),
  constraint bed_allocations_period_not_empty check (not isempty(period)),
  constraint bed_allocations_reservation_lapses check (kind <> 'reservation' or reserved_until is not null),
  constraint bed_allocations_completed_has_end check (status <> 'completed' or upper(period) is not null)
);

alter table facility.bed_allocations add constraint bed_allocations_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table facility.bed_allocations add constraint bed_allocations_bed_fkey
  foreign key (tenant_id, bed_id) references facility.beds (tenant_id, id);
alter table facility.bed_allocations add constraint bed_allocations_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table facility.bed_allocations add constraint bed_allocations_transfer_from_fkey
  foreign key (tenant_id, transfer_from_id) references facility.bed_allocations (tenant_id, id);

create index bed_allocations_bed_idx on facility.bed_allocations (tenant_id, bed_id);
create index bed_allocations_encounter_idx on facility.bed_allocations (tenant_id, encounter_id);
create index bed_allocations_patient_idx on facility.bed_allocations (tenant_id, patient_id);
create index bed_allocations_transfer_from_idx on facility.bed_allocations (tenant_id, transfer_from_id)
  where transfer_from_id is not null;
create unique index bed_allocations_one_live_per_bed on facility.bed_allocations (tenant_id, bed_id)
  where status in ('reserved', 'active');
create index bed_allocations_lapsing_idx on facility.bed_allocations (tenant_id, reserved_until)
  where status = 'reserved';

comment on table facility.bed_allocations is 'class=phi;scope=tenant;owner=facility;fhir=Encounter.location;retention=medical_record;about=Who lies, lay or will lie in which bed, as time ranges.';
comment on column facility.bed_allocations.bed_id is 'class=phi;about=The bed.';
comment on column facility.bed_allocations.encounter_id is 'class=phi;about=The encounter it is for.';
comment on column facility.bed_allocations.patient_id is 'class=phi;about=The patient.';
comment on column facility.bed_allocations.kind is 'class=phi;about=reservation (may lapse) or occupancy.';
comment on column facility.bed_allocations.period is 'class=phi;about=From when to when, start included and end excluded; open while the patient is there.';
comment on column facility.bed_allocations.reserved_until is 'class=phi;about=When a reservation lapses.';
comment on column facility.bed_allocations.transfer_from_id is 'class=phi;about=The allocation that the patient was moved from.';
comment on column facility.bed_allocations.reason is 'class=phi;about=Why this bed, or why it was given up.';
comment on column facility.bed_allocations.released_by is 'class=phi;about=User who ended it.';
comment on column facility.bed_allocations.status is 'class=phi;about=reserved, active, completed, released or expired.';
select core.comment_standard_columns('facility.bed_allocations');

alter table facility.bed_allocations enable row level security, force row level security;
create policy tenant_isolation on facility.bed_allocations
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger bed_allocations_touch before update on facility.bed_allocations
  for each row execute function core.update_updated_at_column();
create trigger bed_allocations_transition before insert or update of status on facility.bed_allocations
  for each row execute function core.enforce_transition('facility.bed_allocations', 'status');
select audit.track('facility.bed_allocations');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('facility.bed_allocations', '', 'reserved', false, null),
  ('facility.bed_allocations', '', 'active', false, null),
  ('facility.bed_allocations', 'reserved', 'active', false, null),
  ('facility.bed_allocations', 'reserved', 'released', false, null),
  ('facility.bed_allocations', 'reserved', 'expired', false, null),
  ('facility.bed_allocations', 'active', 'completed', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on facility.bed_allocations to facility_app;
grant select on facility.bed_allocations to facility_ro;
