-- device.alarms: threshold and technical alarms with acknowledgement.
--
-- One live alarm a device, patient, metric and kind: a condition that goes on does not ring twice, it raises the priority of
-- the alarm that is there. What is still open of the last patient does not silence the next one's. Rows belong to the
-- operations.

create table device.alarms (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  device_id uuid not null,
  patient_id uuid,
  metric_code text not null,
  limit_kind text not null,
  limit_value numeric,
  observed_value numeric,
  priority text not null,
  raised_at timestamptz not null,
  acknowledged_at timestamptz,
  acknowledged_by uuid,
  resolved_at timestamptz,
  escalation_level smallint not null default 0,
  action_note text,
  status text not null default 'active',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint alarms_pkey primary key (tenant_id, id),
  constraint alarms_limit_kind_check check (limit_kind in ('high', 'low', 'technical', 'disconnect', 'cold_chain')),
  constraint alarms_priority_check check (priority in ('low', 'medium', 'high', 'crisis')),
  constraint alarms_status_check check (status in ('active', 'acknowledged', 'resolved')),
  constraint alarms_acknowledged_after_raised check (acknowledged_at >= raised_at),
  constraint alarms_resolved_after_raised check (resolved_at >= raised_at),
  constraint alarms_acknowledged_by_someone check ((acknowledged_at is null) = (acknowledged_by is null))
);

alter table device.alarms add constraint alarms_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table device.alarms add constraint alarms_device_fkey
  foreign key (tenant_id, device_id) references device.devices (tenant_id, id);
alter table device.alarms add constraint alarms_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table device.alarms add constraint alarms_acknowledged_by_fkey
  foreign key (tenant_id, acknowledged_by) references auth.users (tenant_id, id);

create unique index alarms_one_live_per_condition
  on device.alarms (tenant_id, device_id, patient_id, metric_code, limit_kind) nulls not distinct
  where status in ('active', 'acknowledged');
create index alarms_live_idx on device.alarms (tenant_id, raised_at) where status in ('active', 'acknowledged');
create index alarms_device_idx on device.alarms (tenant_id, device_id);
create index alarms_patient_idx on device.alarms (tenant_id, patient_id)
  where patient_id is not null;
create index alarms_acknowledged_by_idx on device.alarms (tenant_id, acknowledged_by)
  where acknowledged_by is not null;

comment on table device.alarms is 'class=phi;scope=tenant;owner=device;fhir=DetectedIssue,Flag;retention=medical_record;about=Threshold and technical alarms with acknowledgement.';
comment on column device.alarms.device_id is 'class=phi;about=The device that the alarm is about.';
comment on column device.alarms.patient_id is 'class=phi;about=The patient who had the device when the alarm was raised.';
comment on column device.alarms.metric_code is 'class=phi;about=What was measured; the device''s own code for a technical alarm.';
comment on column device.alarms.limit_kind is 'class=phi;about=high, low, technical, disconnect or cold_chain.';
comment on column device.alarms.limit_value is 'class=phi;about=The limit that was crossed, in the unit of the metric.';
comment on column device.alarms.observed_value is 'class=phi;about=The reading that raised the alarm.';
comment on column device.alarms.priority is 'class=phi;about=low, medium, high or crisis; grows while the alarm is live, never falls.';
comment on column device.alarms.raised_at is 'class=phi;about=When the condition began.';
comment on column device.alarms.acknowledged_at is 'class=phi;about=When somebody took it on.';
comment on column device.alarms.acknowledged_by is 'class=operational;about=The user who took it on.';
comment on column device.alarms.resolved_at is 'class=phi;about=When the condition was over.';
comment on column device.alarms.escalation_level is 'class=phi;about=How many times the alarm was passed on because nobody took it on.';
comment on column device.alarms.action_note is 'class=phi;about=What was done.';
comment on column device.alarms.status is 'class=phi;about=active, acknowledged or resolved.';
select core.comment_standard_columns('device.alarms');

alter table device.alarms enable row level security, force row level security;
create policy tenant_isolation on device.alarms
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger alarms_touch before update on device.alarms
  for each row execute function core.update_updated_at_column('row_version');
create trigger alarms_transition before insert or update of status on device.alarms
  for each row execute function core.enforce_transition('device.alarms', 'status');
create trigger alarms_first_state after insert on device.alarms
  for each row execute function core.announce_first_state('device.alarms');
select audit.track('device.alarms');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('device.alarms', '', 'active', false, 'device.alarm.v1'),
  ('device.alarms', 'active', 'acknowledged', false, null),
  ('device.alarms', 'active', 'resolved', false, null),
  ('device.alarms', 'acknowledged', 'resolved', false, null),
  -- the condition grew worse after somebody had taken it on
  ('device.alarms', 'acknowledged', 'active', false, 'device.alarm.v1')
on conflict (machine, from_state, to_state) do nothing;

grant select on device.alarms to device_app;
grant select on device.alarms to device_ro;
