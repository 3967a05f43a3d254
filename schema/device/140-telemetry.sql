-- device.telemetry: raw readings, one row a device, metric and instant; partitions by day. Temperatures of the fridges of
-- blood bank, vaccines and samples live here too.
--
-- The hot path: no foreign keys and two indexes. device.ingest_telemetry checks device and assignment once a batch and sets
-- the patient from the assignment that covers the reading. A patient's curve is read by device and period of their
-- assignments, so it needs no index of its own. A reading that is sent again is the same row (key with seq).

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
  constraint telemetry_reading_once unique (tenant_id, device_id, metric_code, measured_at, seq),
  constraint telemetry_quality_check check (quality in ('good', 'suspect', 'artefact', 'simulated')),
  constraint telemetry_value_in_range check (value between -1e15 and 1e15),
  constraint telemetry_not_from_the_future check (measured_at <= now() + interval '5 minutes')
) partition by range (measured_at);

create table device.telemetry_default partition of device.telemetry default;

comment on table device.telemetry is 'class=phi;scope=tenant;owner=device;fhir=Observation;retention=medical_record;append_only=1;partition=day;about=Raw readings of devices; views telemetry_1m and telemetry_1h sum them up.';
comment on column device.telemetry.measured_at is 'class=phi;about=When the device measured, by its own clock; at most five minutes ahead of the server.';
comment on column device.telemetry.device_id is 'class=phi;about=The device; no foreign key, checked on ingestion.';
comment on column device.telemetry.patient_id is 'class=phi;about=Whose reading it is, from the assignment at measured_at; null for a bed or a place.';
comment on column device.telemetry.metric_code is 'class=phi;about=What was measured, a LOINC or IEEE 11073 code or a name of the tenant: heart_rate, spo2, temperature.';
comment on column device.telemetry.value is 'class=phi;about=Measured value in unit; binary floating point, as devices send it.';
comment on column device.telemetry.unit is 'class=phi;about=UCUM unit.';
comment on column device.telemetry.quality is 'class=phi;about=good, suspect, artefact or simulated; only good readings raise alarms.';
comment on column device.telemetry.seq is 'class=phi;about=Counter of the device that tells readings of the same instant apart; 0 when it has none.';
select core.comment_standard_columns('device.telemetry');

alter table device.telemetry enable row level security, force row level security;
create policy tenant_isolation on device.telemetry
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
alter table device.telemetry_default enable row level security, force row level security;
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

grant select on device.telemetry to device_app;
grant select on device.telemetry to device_ro;
