-- scheduling.appointment_slots: concrete bookable interval with a capacity counter.
--
-- The counter row is the lock of every booking: operations change the counts in one conditional UPDATE, and the check
-- appointment_slots_not_overfilled is the last guard. booked_count is the number of appointments of the slot that are
-- not proposed, cancelled or rescheduled; held_count the number of booking requests in state held.

create table scheduling.appointment_slots (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  clinic_id uuid not null,
  doctor_id uuid,
  department_id uuid,
  location_id uuid,
  schedule_id uuid,
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  capacity smallint not null default 1,
  overbook_limit smallint not null default 0,
  booked_count smallint not null default 0,
  held_count smallint not null default 0,
  status text not null default 'open',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint appointment_slots_pkey primary key (tenant_id, id),
  constraint appointment_slots_status_check check (status in ('open', 'full', 'blocked', 'cancelled', 'past')),
  constraint appointment_slots_of_doctor_or_department check (num_nonnulls(doctor_id, department_id) >= 1),
  constraint appointment_slots_end_after_start check (ends_at > starts_at),
  constraint appointment_slots_capacity_check check (capacity between 1 and 50),
  constraint appointment_slots_overbook_limit_check check (overbook_limit between 0 and 10),
  constraint appointment_slots_counts_not_negative check (booked_count >= 0 and held_count >= 0),
  constraint appointment_slots_not_overfilled check (booked_count + held_count <= capacity + overbook_limit),
  constraint appointment_slots_cancelled_is_empty check (status <> 'cancelled' or booked_count + held_count = 0),
  constraint slots_not_overlapping exclude using gist (
    tenant_id with =, doctor_id with =, tstzrange(starts_at, ends_at) with &&
  ) where (doctor_id is not null and status <> 'cancelled')
);

alter table scheduling.appointment_slots
  add constraint appointment_slots_tenant_fkey foreign key (tenant_id) references core.tenants (id);
alter table scheduling.appointment_slots
  add constraint appointment_slots_clinic_fkey foreign key (tenant_id, clinic_id) references facility.clinics (tenant_id, id);
alter table scheduling.appointment_slots
  add constraint appointment_slots_doctor_fkey foreign key (tenant_id, doctor_id) references workforce.doctors (tenant_id, id);
alter table scheduling.appointment_slots
  add constraint appointment_slots_department_fkey foreign key (tenant_id, department_id) references facility.departments (tenant_id, id);
alter table scheduling.appointment_slots
  add constraint appointment_slots_location_fkey foreign key (tenant_id, location_id) references facility.locations (tenant_id, id);
alter table scheduling.appointment_slots
  add constraint appointment_slots_schedule_fkey foreign key (tenant_id, schedule_id) references scheduling.schedules (tenant_id, id);

create unique index appointment_slots_department_start_key
  on scheduling.appointment_slots (tenant_id, department_id, clinic_id, starts_at)
  where doctor_id is null and status <> 'cancelled';
-- generating twice makes nothing new, not even in the place of a slot that was cancelled
create unique index appointment_slots_schedule_start_key
  on scheduling.appointment_slots (tenant_id, schedule_id, starts_at)
  where schedule_id is not null;
create index appointment_slots_doctor_idx on scheduling.appointment_slots (tenant_id, doctor_id, starts_at);
create index appointment_slots_department_idx on scheduling.appointment_slots (tenant_id, department_id, starts_at);
create index appointment_slots_clinic_idx on scheduling.appointment_slots (tenant_id, clinic_id, starts_at);
create index appointment_slots_location_idx on scheduling.appointment_slots (tenant_id, location_id);
-- what is over but not yet marked past
create index appointment_slots_to_close_idx
  on scheduling.appointment_slots (tenant_id, ends_at)
  where status in ('open', 'full', 'blocked');

comment on table scheduling.appointment_slots is 'class=operational;scope=tenant;owner=appointment;fhir=Slot;retention=operational;about=Concrete bookable interval with a capacity counter.';
comment on column scheduling.appointment_slots.clinic_id is 'class=operational;about=The clinic where the visit takes place.';
comment on column scheduling.appointment_slots.doctor_id is 'class=operational;about=The doctor of the slot; null when the department gives it to whoever is free.';
comment on column scheduling.appointment_slots.department_id is 'class=operational;about=The department of the slot.';
comment on column scheduling.appointment_slots.location_id is 'class=operational;about=The room or counter of the visit.';
comment on column scheduling.appointment_slots.schedule_id is 'class=operational;about=The rule that the slot was generated from; null for a slot made by hand.';
comment on column scheduling.appointment_slots.starts_at is 'class=operational;about=Start of the interval.';
comment on column scheduling.appointment_slots.ends_at is 'class=operational;about=End of the interval, exclusive.';
comment on column scheduling.appointment_slots.capacity is 'class=operational;about=How many patients the slot takes.';
comment on column scheduling.appointment_slots.overbook_limit is 'class=operational;about=How many patients beyond the capacity are accepted.';
comment on column scheduling.appointment_slots.booked_count is 'class=operational;about=Appointments of the slot that are not proposed, cancelled or rescheduled; changed by operations only.';
comment on column scheduling.appointment_slots.held_count is 'class=operational;about=Places held by booking requests; changed by operations only.';
comment on column scheduling.appointment_slots.status is 'class=operational;about=open and full follow the counts; blocked and cancelled are set by people, past by scheduling.close_past_slots.';
select core.comment_standard_columns('scheduling.appointment_slots');

alter table scheduling.appointment_slots enable row level security, force row level security;
create policy tenant_isolation on scheduling.appointment_slots
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

-- Triggers fire by name: the state follows the counts first, then the move is checked. The check is not limited to
-- "update of status", because the state also changes when only the counts were set.
create trigger appointment_slots_counts before insert or update on scheduling.appointment_slots
  for each row execute function scheduling.follow_slot_counts();
create trigger appointment_slots_touch before update on scheduling.appointment_slots
  for each row execute function core.update_updated_at_column('row_version');
create trigger appointment_slots_transition before insert or update on scheduling.appointment_slots
  for each row execute function core.enforce_transition('scheduling.appointment_slots', 'status');

insert into core.transition_rules (machine, from_state, to_state) values
  ('scheduling.appointment_slots', '', 'open'),
  ('scheduling.appointment_slots', 'open', 'full'),
  ('scheduling.appointment_slots', 'open', 'blocked'),
  ('scheduling.appointment_slots', 'open', 'cancelled'),
  ('scheduling.appointment_slots', 'open', 'past'),
  ('scheduling.appointment_slots', 'full', 'open'),
  ('scheduling.appointment_slots', 'full', 'cancelled'),
  ('scheduling.appointment_slots', 'full', 'past'),
  ('scheduling.appointment_slots', 'blocked', 'open'),
  ('scheduling.appointment_slots', 'blocked', 'cancelled'),
  ('scheduling.appointment_slots', 'blocked', 'past')
on conflict (machine, from_state, to_state) do nothing;

-- The counts belong to the operations: no grant names booked_count or held_count.
grant select on scheduling.appointment_slots to appointment_app, appointment_ro;
grant
  insert (tenant_id, id, clinic_id, doctor_id, department_id, location_id, schedule_id, starts_at, ends_at, capacity, overbook_limit),
  update (location_id, capacity, overbook_limit, status, row_version)
on scheduling.appointment_slots to appointment_app;
