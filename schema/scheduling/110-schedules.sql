-- scheduling.schedules: weekly availability and dated exceptions of a doctor or department.
--
-- A rule is either weekly (weekday) or dated (on_date). regular and extra rules make slots (scheduling.generate_slots);
-- a closed rule takes time away: no slot is generated in it and no existing slot inside it can be booked (IM105).
-- Times are wall-clock times of the clinic.

create table scheduling.schedules (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  clinic_id uuid not null,
  doctor_id uuid,
  department_id uuid,
  location_id uuid,
  kind text not null default 'regular',
  weekday smallint,
  on_date date,
  start_time time not null,
  end_time time not null,
  slot_minutes smallint not null default 15,
  capacity_per_slot smallint not null default 1,
  appointment_type text not null default 'any',
  channel text not null default 'in_person',
  valid_during daterange not null default '(,)',
  reason text,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint schedules_pkey primary key (tenant_id, id),
  constraint schedules_kind_check check (kind in ('regular', 'extra', 'closed')),
  constraint schedules_channel_check check (channel in ('in_person', 'video', 'both')),
  constraint schedules_appointment_type_check check (
    appointment_type in ('any', 'new', 'follow_up', 'procedure', 'diagnostic', 'teleconsult', 'vaccination')
  ),
  constraint schedules_of_doctor_or_department check (num_nonnulls(doctor_id, department_id) >= 1),
  constraint schedules_weekly_or_dated check (num_nonnulls(weekday, on_date) = 1),
  constraint schedules_weekday_is_iso check (weekday between 1 and 7),
  constraint schedules_end_after_start check (end_time > start_time),
  constraint schedules_slot_minutes_check check (slot_minutes between 3 and 240),
  constraint schedules_capacity_check check (capacity_per_slot between 1 and 50),
  constraint schedules_valid_during_not_empty check (not isempty(valid_during))
);

alter table scheduling.schedules
  add constraint schedules_tenant_fkey foreign key (tenant_id) references core.tenants (id);
alter table scheduling.schedules
  add constraint schedules_clinic_fkey foreign key (tenant_id, clinic_id) references facility.clinics (tenant_id, id);
alter table scheduling.schedules
  add constraint schedules_doctor_fkey foreign key (tenant_id, doctor_id) references workforce.doctors (tenant_id, id);
alter table scheduling.schedules
  add constraint schedules_department_fkey foreign key (tenant_id, department_id) references facility.departments (tenant_id, id);
alter table scheduling.schedules
  add constraint schedules_location_fkey foreign key (tenant_id, location_id) references facility.locations (tenant_id, id);

-- kind is second so that a booking finds a doctor's closed rules in one index entry
create index schedules_doctor_idx on scheduling.schedules (tenant_id, doctor_id, kind);
create index schedules_department_idx on scheduling.schedules (tenant_id, department_id, kind);
create index schedules_clinic_idx on scheduling.schedules (tenant_id, clinic_id);
create index schedules_location_idx on scheduling.schedules (tenant_id, location_id);

comment on table scheduling.schedules is 'class=operational;scope=tenant;owner=appointment;fhir=Schedule;retention=operational;about=Weekly availability and dated exceptions of a doctor or department.';
comment on column scheduling.schedules.clinic_id is 'class=operational;about=The clinic where the rule holds; its time zone gives start_time and end_time their meaning.';
comment on column scheduling.schedules.doctor_id is 'class=operational;about=The doctor whose time this is; null for a rule of a whole department.';
comment on column scheduling.schedules.department_id is 'class=operational;about=The department of the rule; without a doctor the slots belong to the department.';
comment on column scheduling.schedules.location_id is 'class=operational;about=The room or counter where patients are seen.';
comment on column scheduling.schedules.kind is 'class=operational;about=regular weekly hours, extra hours, or closed: time in which nobody is seen.';
comment on column scheduling.schedules.weekday is 'class=operational;about=ISO day of the week, 1 Monday to 7 Sunday; null for a dated rule.';
comment on column scheduling.schedules.on_date is 'class=operational;about=The one day of a dated rule; null for a weekly rule.';
comment on column scheduling.schedules.start_time is 'class=operational;about=First minute, in the clinic''s time zone.';
comment on column scheduling.schedules.end_time is 'class=operational;about=End, exclusive, in the clinic''s time zone; a rule does not cross midnight.';
comment on column scheduling.schedules.slot_minutes is 'class=operational;about=Length of each slot in minutes.';
comment on column scheduling.schedules.capacity_per_slot is 'class=operational;about=How many patients one slot takes.';
comment on column scheduling.schedules.appointment_type is 'class=operational;about=The type of visit that the hours are meant for, or any.';
comment on column scheduling.schedules.channel is 'class=operational;about=Whether patients come in person, by video, or either.';
comment on column scheduling.schedules.valid_during is 'class=operational;about=The dates between which the rule holds; open on both sides by default.';
comment on column scheduling.schedules.reason is 'class=operational;about=Why the rule exists, such as leave or a public holiday.';
select core.comment_standard_columns('scheduling.schedules');

alter table scheduling.schedules enable row level security, force row level security;
create policy tenant_isolation on scheduling.schedules
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger schedules_touch before update on scheduling.schedules
  for each row execute function core.update_updated_at_column('row_version');

grant select, insert, update, delete on scheduling.schedules to appointment_app;
grant select on scheduling.schedules to appointment_ro;
