-- A dated shift of a department: the unit that handovers move between.

create table workforce.shifts (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  department_id uuid not null,
  location_id uuid,
  name text not null,
  kind text not null,
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  in_charge_staff_id uuid,
  min_staff smallint not null default 1,
  status text not null default 'planned',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint shifts_pkey primary key (tenant_id, id),
  constraint shifts_name_key unique (tenant_id, department_id, name, starts_at),
  constraint shifts_kind_check check (kind in ('morning', 'evening', 'night', 'day', 'on_call', 'custom')),
  constraint shifts_status_check check (status in ('planned', 'open', 'handing_over', 'closed', 'cancelled')),
  constraint shifts_at_most_24_hours check (ends_at > starts_at and ends_at <= starts_at + interval '24 hours'),
  constraint shifts_min_staff_not_negative check (min_staff >= 0)
);

alter table workforce.shifts add constraint shifts_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table workforce.shifts add constraint shifts_department_fkey
  foreign key (tenant_id, department_id) references facility.departments (tenant_id, id);
alter table workforce.shifts add constraint shifts_location_fkey
  foreign key (tenant_id, location_id) references facility.locations (tenant_id, id);
alter table workforce.shifts add constraint shifts_in_charge_staff_fkey
  foreign key (tenant_id, in_charge_staff_id) references workforce.staff (tenant_id, id);

create index shifts_location_idx on workforce.shifts (tenant_id, location_id) where location_id is not null;
create index shifts_in_charge_staff_idx on workforce.shifts (tenant_id, in_charge_staff_id)
  where in_charge_staff_id is not null;
create index shifts_starts_at_idx on workforce.shifts (tenant_id, starts_at);

comment on table workforce.shifts is 'class=operational;scope=tenant;owner=business;fhir=Schedule;retention=operational;about=A dated shift of a department; the unit handovers move between.';
comment on column workforce.shifts.department_id is 'class=operational;about=The department.';
comment on column workforce.shifts.location_id is 'class=operational;about=The ward or place, when the shift is for one.';
comment on column workforce.shifts.name is 'class=operational;about=Name of the shift in the department.';
comment on column workforce.shifts.kind is 'class=operational;about=morning, evening, night, day, on_call or custom.';
comment on column workforce.shifts.starts_at is 'class=operational;about=Beginning.';
comment on column workforce.shifts.ends_at is 'class=operational;about=End, at most 24 hours later.';
comment on column workforce.shifts.in_charge_staff_id is 'class=operational;about=Who leads the shift.';
comment on column workforce.shifts.min_staff is 'class=operational;about=People needed for it.';
comment on column workforce.shifts.status is 'class=operational;about=planned, open, handing_over, closed or cancelled.';
select core.comment_standard_columns('workforce.shifts');

alter table workforce.shifts enable row level security, force row level security;
create policy tenant_isolation on workforce.shifts
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger shifts_touch before update on workforce.shifts
  for each row execute function core.update_updated_at_column('row_version');
create trigger shifts_transition before insert or update of status on workforce.shifts
  for each row execute function core.enforce_transition('workforce.shifts', 'status');
select audit.track('workforce.shifts');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('workforce.shifts', '', 'planned', false, null),
  ('workforce.shifts', 'planned', 'open', false, null),
  ('workforce.shifts', 'planned', 'cancelled', true, null),
  ('workforce.shifts', 'open', 'handing_over', false, null),
  ('workforce.shifts', 'open', 'closed', false, null),
  ('workforce.shifts', 'handing_over', 'closed', false, null),
  ('workforce.shifts', 'handing_over', 'open', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on workforce.shifts to business_app;
grant select on workforce.shifts to business_ro;
