-- A bed that can be allocated. It is freed by the step "patient has physically left", never by the discharge order:
-- occupied goes to cleaning, and only cleaning leads back to vacant.

create table facility.beds (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  location_id uuid not null,
  code text not null,
  bed_type text not null default 'standard',
  charge_code text,
  current_allocation_id uuid,
  status_changed_at timestamptz not null default now(),
  status text not null default 'vacant',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint beds_pkey primary key (tenant_id, id),
  constraint beds_bed_type_check check (
    bed_type in ('standard', 'icu', 'ventilator', 'nicu', 'labour', 'dialysis', 'day_care', 'trolley')
  ),
  constraint beds_status_check check (
    status in ('vacant', 'reserved', 'occupied', 'cleaning', 'blocked', 'maintenance')
  ),
  constraint beds_occupied_has_allocation check ((status = 'occupied') = (current_allocation_id is not null))
);

alter table facility.beds add constraint beds_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table facility.beds add constraint beds_location_fkey
  foreign key (tenant_id, location_id) references facility.locations (tenant_id, id);
-- bed and allocation point to each other: checked at commit
alter table facility.beds add constraint beds_current_allocation_fkey
  foreign key (tenant_id, current_allocation_id) references facility.bed_allocations (tenant_id, id)
  deferrable initially deferred;

create unique index beds_code_key on facility.beds (tenant_id, location_id, code) where deleted_at is null;
create index beds_location_idx on facility.beds (tenant_id, location_id);
create index beds_current_allocation_idx on facility.beds (tenant_id, current_allocation_id)
  where current_allocation_id is not null;
create index beds_vacant_idx on facility.beds (tenant_id, location_id, bed_type)
  where status = 'vacant' and deleted_at is null;

comment on table facility.beds is 'class=operational;scope=tenant;owner=facility;fhir=Location;retention=operational;about=A bed that can be allocated.';
comment on column facility.beds.location_id is 'class=operational;about=The ward, room or bay it stands in.';
comment on column facility.beds.code is 'class=operational;about=Code on the bed, unique in its location.';
comment on column facility.beds.bed_type is 'class=operational;about=standard, icu, ventilator, nicu, labour, dialysis, day_care or trolley.';
comment on column facility.beds.charge_code is 'class=operational;about=What a day in it is charged as.';
comment on column facility.beds.current_allocation_id is 'class=operational;about=The allocation that occupies it now; set exactly while status is occupied.';
comment on column facility.beds.status_changed_at is 'class=operational;about=Since when it is in its status.';
comment on column facility.beds.status is 'class=operational;about=vacant, reserved, occupied, cleaning, blocked or maintenance.';
select core.comment_standard_columns('facility.beds');

alter table facility.beds enable row level security, force row level security;
create policy tenant_isolation on facility.beds
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger beds_touch before update on facility.beds
  for each row execute function core.update_updated_at_column('row_version');
create trigger beds_transition before insert or update of status on facility.beds
  for each row execute function core.enforce_transition('facility.beds', 'status');
create trigger beds_status_changed before update of status on facility.beds
  for each row when (old.status is distinct from new.status) execute function facility.note_bed_status();

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('facility.beds', '', 'vacant', false, null),
  ('facility.beds', 'vacant', 'reserved', false, null),
  ('facility.beds', 'vacant', 'occupied', false, null),
  ('facility.beds', 'vacant', 'blocked', true, null),
  ('facility.beds', 'vacant', 'maintenance', false, null),
  ('facility.beds', 'reserved', 'occupied', false, null),
  ('facility.beds', 'reserved', 'vacant', false, null),
  ('facility.beds', 'occupied', 'cleaning', false, null),
  ('facility.beds', 'cleaning', 'vacant', false, null),
  ('facility.beds', 'cleaning', 'maintenance', false, null),
  ('facility.beds', 'blocked', 'vacant', false, null),
  ('facility.beds', 'maintenance', 'vacant', false, null)
on conflict (machine, from_state, to_state) do nothing;

-- the status and the present allocation belong to the operations
grant select, insert on facility.beds to facility_app;
grant update (location_id, code, bed_type, charge_code, row_version, deleted_at, deleted_by, delete_reason)
  on facility.beds to facility_app;
grant select on facility.beds to facility_ro;
