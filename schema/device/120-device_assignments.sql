-- device.device_assignments: which patient or bed a device serves, with the limits that its readings are held against.
--
-- A reading belongs to the patient whose assignment covers its time: nothing that a device sends can say otherwise. Two
-- exclusive assignments of a device never overlap (constraint); device.assign keeps shared ones apart from exclusive ones
-- under the lock of the device. No patient and no bed: the device watches the place where it stands, as a fridge does.

create function device.can_hold_limits(p_limits jsonb) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select coalesce(bool_and(
    btrim(m.code) <> ''
    and case when jsonb_typeof(m.limits) = 'object' then
      m.limits - '{low,high,priority}'::text[] = '{}'
      and m.limits ?| '{low,high}'
      and coalesce(jsonb_typeof(m.limits -> 'low'), 'number') = 'number'
      and coalesce(jsonb_typeof(m.limits -> 'high'), 'number') = 'number'
      -- jsonb compares numbers as numbers
      and (m.limits -> 'low' < m.limits -> 'high') is not false
      and coalesce(m.limits -> 'priority' in ('"low"', '"medium"', '"high"', '"crisis"'), true)
    else false end
  ), true)
  from jsonb_each(case when jsonb_typeof(p_limits) = 'object' then p_limits else '{}' end) as m (code, limits)
$$;

comment on function device.can_hold_limits(jsonb) is 'about=Whether readings can be held against limits: each metric has a low or a high number or both, low below high, and at most a priority of alarms.';

create table device.device_assignments (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  device_id uuid not null,
  is_exclusive boolean not null default false,
  patient_id uuid,
  encounter_id uuid,
  bed_id uuid,
  period tstzrange not null,
  alarm_limits jsonb not null default '{}',
  assigned_by uuid not null,
  status text not null default 'active',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint device_assignments_pkey primary key (tenant_id, id),
  constraint device_assignments_one_at_a_time exclude using gist (
    tenant_id with =, device_id with =, period with &&
  ) where (status = 'active' and is_exclusive),
  constraint device_assignments_status_check check (status in ('active', 'ended')),
  constraint device_assignments_starts check (lower(period) is not null),
  constraint device_assignments_ended_has_end check ((status = 'ended') = (upper(period) is not null)),
  constraint device_assignments_encounter_of_patient check (encounter_id is null or patient_id is not null),
  constraint device_assignments_limits_are_object check (jsonb_typeof(alarm_limits) = 'object'),
  constraint device_assignments_limits_can_be_held check (device.can_hold_limits(alarm_limits))
);

alter table device.device_assignments add constraint device_assignments_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table device.device_assignments add constraint device_assignments_device_fkey
  foreign key (tenant_id, device_id) references device.devices (tenant_id, id);
alter table device.device_assignments add constraint device_assignments_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table device.device_assignments add constraint device_assignments_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table device.device_assignments add constraint device_assignments_bed_fkey
  foreign key (tenant_id, bed_id) references facility.beds (tenant_id, id);
alter table device.device_assignments add constraint device_assignments_assigned_by_fkey
  foreign key (tenant_id, assigned_by) references workforce.staff (tenant_id, id);

create index device_assignments_device_idx on device.device_assignments (tenant_id, device_id);
create index device_assignments_patient_idx on device.device_assignments (tenant_id, patient_id)
  where patient_id is not null;
create index device_assignments_encounter_idx on device.device_assignments (tenant_id, encounter_id)
  where encounter_id is not null;
create index device_assignments_bed_idx on device.device_assignments (tenant_id, bed_id)
  where bed_id is not null;
create index device_assignments_assigned_by_idx on device.device_assignments (tenant_id, assigned_by);

comment on table device.device_assignments is 'class=phi;scope=tenant;owner=device;fhir=DeviceUseStatement;retention=medical_record;about=Which patient or bed a device serves, with that patient''s alarm limits.';
comment on column device.device_assignments.device_id is 'class=phi;about=The device.';
comment on column device.device_assignments.is_exclusive is 'class=phi;about=True: nobody else has the device at the same time. False for a device that serves several, such as a glucometer.';
comment on column device.device_assignments.patient_id is 'class=phi;about=The patient whose readings these are; null for a bed or a place.';
comment on column device.device_assignments.encounter_id is 'class=phi;about=The encounter during which the patient has the device.';
comment on column device.device_assignments.bed_id is 'class=phi;about=The bed that the device is fixed to.';
comment on column device.device_assignments.period is 'class=phi;about=From when to when, end exclusive and open while the device is assigned.';
comment on column device.device_assignments.alarm_limits is 'class=phi;about=Object of metric code to {low, high, priority}, numbers in the unit of the metric; empty for no alarms.';
comment on column device.device_assignments.assigned_by is 'class=operational;about=Who connected it.';
comment on column device.device_assignments.status is 'class=phi;about=active or ended.';
select core.comment_standard_columns('device.device_assignments');

alter table device.device_assignments enable row level security, force row level security;
create policy tenant_isolation on device.device_assignments
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger device_assignments_touch before update on device.device_assignments
  for each row execute function core.update_updated_at_column('row_version');
create trigger device_assignments_transition before insert or update of status on device.device_assignments
  for each row execute function core.enforce_transition('device.device_assignments', 'status');
select audit.track('device.device_assignments');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('device.device_assignments', '', 'active', false, null),
  ('device.device_assignments', 'active', 'ended', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on device.device_assignments to device_app;
grant select on device.device_assignments to device_ro;
