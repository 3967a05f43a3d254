-- scheduling.resource_bookings: theatre, procedure-room and equipment bookings.
--
-- Two live bookings never share a minute of a room or device: the exclusion constraints decide. Setting up and cleaning
-- belong to the period, so that the next booking cannot begin while the room is being cleaned.

create table scheduling.resource_bookings (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  location_id uuid,
  device_id uuid, -- the module device adds the foreign key
  purpose text not null,
  encounter_id uuid, -- the module clinical adds the foreign key
  procedure_id uuid, -- the module clinical adds the foreign key
  period tstzrange not null,
  setup_minutes smallint not null default 0,
  cleanup_minutes smallint not null default 0,
  booked_by uuid not null default core.current_user_id(),
  status text not null default 'tentative',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint resource_bookings_pkey primary key (tenant_id, id),
  constraint resource_bookings_purpose_check check (purpose in ('surgery', 'procedure', 'imaging', 'dialysis', 'other')),
  constraint resource_bookings_status_check check (status in ('tentative', 'confirmed', 'in_use', 'released', 'cancelled')),
  constraint resource_bookings_of_room_or_device check (num_nonnulls(location_id, device_id) >= 1),
  constraint resource_bookings_period_is_bounded check (
    not isempty(period) and not lower_inf(period) and not upper_inf(period)
  ),
  constraint resource_bookings_setup_minutes_check check (setup_minutes between 0 and 480),
  constraint resource_bookings_cleanup_minutes_check check (cleanup_minutes between 0 and 480),
  constraint room_bookings_not_overlapping exclude using gist (
    tenant_id with =, location_id with =, period with &&
  ) where (location_id is not null and status in ('tentative', 'confirmed', 'in_use')),
  constraint device_bookings_not_overlapping exclude using gist (
    tenant_id with =, device_id with =, period with &&
  ) where (device_id is not null and status in ('tentative', 'confirmed', 'in_use'))
);

alter table scheduling.resource_bookings
  add constraint resource_bookings_tenant_fkey foreign key (tenant_id) references core.tenants (id);
alter table scheduling.resource_bookings
  add constraint resource_bookings_location_fkey foreign key (tenant_id, location_id) references facility.locations (tenant_id, id);

create index resource_bookings_location_idx on scheduling.resource_bookings (tenant_id, location_id);
create index resource_bookings_device_idx on scheduling.resource_bookings (tenant_id, device_id) where device_id is not null;
create index resource_bookings_encounter_idx on scheduling.resource_bookings (tenant_id, encounter_id) where encounter_id is not null;

comment on table scheduling.resource_bookings is 'class=operational;scope=tenant;owner=appointment;fhir=Appointment;retention=operational;about=Theatre, procedure-room and equipment bookings.';
comment on column scheduling.resource_bookings.location_id is 'class=operational;about=The room that is booked.';
comment on column scheduling.resource_bookings.device_id is 'class=operational;about=The device that is booked.';
comment on column scheduling.resource_bookings.purpose is 'class=operational;about=What the room or device is needed for.';
comment on column scheduling.resource_bookings.encounter_id is 'class=phi;about=The encounter that needs the resource.';
comment on column scheduling.resource_bookings.procedure_id is 'class=phi;about=The procedure that needs the resource.';
comment on column scheduling.resource_bookings.period is 'class=operational;about=From the first minute of setting up to the last minute of cleaning.';
comment on column scheduling.resource_bookings.setup_minutes is 'class=operational;about=Minutes at the start of the period that go to setting up.';
comment on column scheduling.resource_bookings.cleanup_minutes is 'class=operational;about=Minutes at the end of the period that go to cleaning.';
comment on column scheduling.resource_bookings.booked_by is 'class=operational;about=The user who asked for the resource.';
comment on column scheduling.resource_bookings.status is 'class=operational;about=Where the booking stands.';
select core.comment_standard_columns('scheduling.resource_bookings');

alter table scheduling.resource_bookings enable row level security, force row level security;
create policy tenant_isolation on scheduling.resource_bookings
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger resource_bookings_touch before update on scheduling.resource_bookings
  for each row execute function core.update_updated_at_column('row_version');
create trigger resource_bookings_transition before insert or update of status on scheduling.resource_bookings
  for each row execute function core.enforce_transition('scheduling.resource_bookings', 'status');

insert into core.transition_rules (machine, from_state, to_state) values
  ('scheduling.resource_bookings', '', 'tentative'),
  ('scheduling.resource_bookings', 'tentative', 'confirmed'),
  ('scheduling.resource_bookings', 'tentative', 'cancelled'),
  ('scheduling.resource_bookings', 'confirmed', 'in_use'),
  ('scheduling.resource_bookings', 'confirmed', 'cancelled'),
  ('scheduling.resource_bookings', 'in_use', 'released')
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on scheduling.resource_bookings to appointment_app;
grant select on scheduling.resource_bookings to appointment_ro;
