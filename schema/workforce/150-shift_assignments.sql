-- Who works on which shift. One person is on one shift at a time.

create table workforce.shift_assignments (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  shift_id uuid not null,
  staff_id uuid not null,
  role text not null,
  period tstzrange not null,
  checked_in_at timestamptz,
  checked_out_at timestamptz,
  swapped_with_id uuid,
  status text not null default 'assigned',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint shift_assignments_pkey primary key (tenant_id, id),
  constraint shift_assignments_staff_key unique (tenant_id, shift_id, staff_id),
  constraint shift_assignments_one_shift_at_a_time exclude using gist (
    tenant_id with =, staff_id with =, period with &&
  ) where (status in ('assigned', 'checked_in')),
  constraint shift_assignments_status_check check (
    status in ('assigned', 'checked_in', 'checked_out', 'absent', 'swapped', 'cancelled')
  ),
  constraint shift_assignments_period_not_empty check (not isempty(period)),
  constraint shift_assignments_out_after_in check (checked_out_at is null or checked_out_at >= checked_in_at)
);

alter table workforce.shift_assignments add constraint shift_assignments_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table workforce.shift_assignments add constraint shift_assignments_shift_fkey
  foreign key (tenant_id, shift_id) references workforce.shifts (tenant_id, id);
alter table workforce.shift_assignments add constraint shift_assignments_staff_fkey
  foreign key (tenant_id, staff_id) references workforce.staff (tenant_id, id);
alter table workforce.shift_assignments add constraint shift_assignments_swapped_with_fkey
  foreign key (tenant_id, swapped_with_id) references workforce.shift_assignments (tenant_id, id);

create index shift_assignments_staff_idx on workforce.shift_assignments (tenant_id, staff_id);
create index shift_assignments_swapped_with_idx on workforce.shift_assignments (tenant_id, swapped_with_id)
  where swapped_with_id is not null;

comment on table workforce.shift_assignments is 'class=operational;scope=tenant;owner=business;fhir=none;retention=operational;about=Staff on a shift.';
comment on column workforce.shift_assignments.shift_id is 'class=operational;about=The shift.';
comment on column workforce.shift_assignments.staff_id is 'class=operational;about=The person.';
comment on column workforce.shift_assignments.role is 'class=operational;about=What the person does on it, such as charge_nurse.';
comment on column workforce.shift_assignments.period is 'class=operational;about=From when to when, start included and end excluded.';
comment on column workforce.shift_assignments.checked_in_at is 'class=operational;about=When the person came.';
comment on column workforce.shift_assignments.checked_out_at is 'class=operational;about=When the person went.';
comment on column workforce.shift_assignments.swapped_with_id is 'class=operational;about=The assignment that took this one''s place.';
comment on column workforce.shift_assignments.status is 'class=operational;about=assigned, checked_in, checked_out, absent, swapped or cancelled.';
select core.comment_standard_columns('workforce.shift_assignments');

alter table workforce.shift_assignments enable row level security, force row level security;
create policy tenant_isolation on workforce.shift_assignments
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger shift_assignments_touch before update on workforce.shift_assignments
  for each row execute function core.update_updated_at_column('row_version');
create trigger shift_assignments_transition before insert or update of status on workforce.shift_assignments
  for each row execute function core.enforce_transition('workforce.shift_assignments', 'status');
select audit.track('workforce.shift_assignments');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('workforce.shift_assignments', '', 'assigned', false, null),
  ('workforce.shift_assignments', 'assigned', 'checked_in', false, null),
  ('workforce.shift_assignments', 'assigned', 'absent', false, null),
  ('workforce.shift_assignments', 'assigned', 'swapped', false, null),
  ('workforce.shift_assignments', 'assigned', 'cancelled', false, null),
  ('workforce.shift_assignments', 'checked_in', 'checked_out', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on workforce.shift_assignments to business_app;
grant select on workforce.shift_assignments to business_ro;
