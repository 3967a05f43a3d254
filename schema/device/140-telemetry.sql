-- device.telemetry: Raw measurements; continuous aggregates telemetry_1m, telemetry_1h.
-- NOTE: No foreign keys on the hot path; ids are checked at the gateway against device_assignments. Fridge temperatures of blood bank, vaccines and samples live here too.

create table device.telemetry (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  measured_at timestamptz not null,
  device_id uuid not null,
  patient_id uuid,
  metric_code text not null,
  value double precision not null,
  unit text not null,
  quality text not null,
  seq bigint not null,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint telemetry_pkey primary key (tenant_id, id, measured_at),
  constraint telemetry_device_metric_code_key unique (tenant_id, device_id, metric_code, measured_at, seq),
  constraint telemetry_quality_check check (quality in ('good', 'suspect', 'artefact', 'simulated')),
  constraint telemetry_value_range check (value between -1e15 and 1e15),
  constraint telemetry_measured_at_rule check (measured_at <= now() + interval '5 minutes')
) partition by range (measured_at);

create table device.telemetry_default partition of device.telemetry default;

alter table device.telemetry add constraint telemetry_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

comment on table device.telemetry is 'class=phi;scope=tenant;owner=device;fhir=Observation;retention=medical_record;append_only=1;partition=day;about=Raw measurements; continuous aggregates telemetry_1m, telemetry_1h.';
comment on column device.telemetry.measured_at is 'class=phi;about=?';
comment on column device.telemetry.device_id is 'class=phi;about=?';
comment on column device.telemetry.patient_id is 'class=phi;about=The patient.';
comment on column device.telemetry.metric_code is 'class=phi;about=?';
comment on column device.telemetry.value is 'class=phi;about=?';
comment on column device.telemetry.unit is 'class=phi;about=?';
comment on column device.telemetry.quality is 'class=phi;about=?';
comment on column device.telemetry.seq is 'class=phi;about=?';
select core.comment_standard_columns('device.telemetry');

alter table device.telemetry enable row level security;
alter table device.telemetry force row level security;
create policy tenant_isolation on device.telemetry
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
alter table device.telemetry_default enable row level security;
alter table device.telemetry_default force row level security;
create policy tenant_isolation on device.telemetry_default
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger telemetry_append_only before update or delete on device.telemetry
  for each row execute function core.refuse_change();
create trigger telemetry_no_truncate before truncate on device.telemetry
  for each statement execute function core.refuse_change();
create trigger telemetry_default_no_truncate before truncate on device.telemetry_default
  for each statement execute function core.refuse_change();
select audit.track('device.telemetry');

grant select, insert on device.telemetry to device_app;
grant select on device.telemetry to device_ro;
