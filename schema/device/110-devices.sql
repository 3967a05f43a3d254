-- device.devices: monitors, analysers, pumps, fridges, imaging machines, gateways.
--
-- A device starts in commissioning and becomes active by a passed acceptance (device.record_maintenance); only an active
-- device is assigned or sends readings. Status, due dates and last_seen_at belong to the operations.

create table device.devices (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  asset_tag text not null,
  udi text,
  serial_number text not null,
  manufacturer text not null,
  model text not null,
  kind text not null,
  location_id uuid,
  department_id uuid,
  protocol text not null,
  api_client_id uuid,
  firmware text,
  calibration_due_on date,
  pm_due_on date,
  last_seen_at timestamptz,
  status text not null default 'commissioning',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint devices_pkey primary key (tenant_id, id),
  constraint devices_kind_check check (
    kind in ('monitor', 'ventilator', 'infusion_pump', 'analyser', 'imaging', 'fridge', 'freezer', 'glucometer', 'wearable', 'gateway', 'other')
  ),
  constraint devices_protocol_check check (
    protocol in ('hl7', 'astm', 'mqtt', 'ieee11073', 'dicom', 'modbus', 'manual')
  ),
  constraint devices_status_check check (status in ('commissioning', 'active', 'maintenance', 'offline', 'retired')),
  constraint devices_live_not_deleted check (deleted_at is null or status in ('commissioning', 'retired'))
);

alter table device.devices add constraint devices_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table device.devices add constraint devices_location_fkey
  foreign key (tenant_id, location_id) references facility.locations (tenant_id, id);
alter table device.devices add constraint devices_department_fkey
  foreign key (tenant_id, department_id) references facility.departments (tenant_id, id);
alter table device.devices add constraint devices_api_client_fkey
  foreign key (tenant_id, api_client_id) references auth.api_clients (tenant_id, id);

create unique index devices_asset_tag_key on device.devices (tenant_id, asset_tag)
  where deleted_at is null;
create unique index devices_manufacturer_serial_number_key on device.devices (tenant_id, manufacturer, serial_number)
  where deleted_at is null;
-- what is due, over the devices that are in use
create index devices_calibration_due_idx on device.devices (tenant_id, calibration_due_on)
  where calibration_due_on is not null and status in ('active', 'maintenance', 'offline');
create index devices_pm_due_idx on device.devices (tenant_id, pm_due_on)
  where pm_due_on is not null and status in ('active', 'maintenance', 'offline');
create index devices_location_idx on device.devices (tenant_id, location_id)
  where location_id is not null;
create index devices_department_idx on device.devices (tenant_id, department_id)
  where department_id is not null;
create index devices_api_client_idx on device.devices (tenant_id, api_client_id)
  where api_client_id is not null;

comment on table device.devices is 'class=operational;scope=tenant;owner=device;fhir=Device;retention=operational;about=Monitors, analysers, pumps, fridges, imaging machines, gateways.';
comment on column device.devices.asset_tag is 'class=operational;about=Number on the hospital''s own label.';
comment on column device.devices.udi is 'class=operational;about=Unique device identification of the manufacturer, as scanned.';
comment on column device.devices.serial_number is 'class=operational;about=Serial number; unique for a manufacturer.';
comment on column device.devices.manufacturer is 'class=operational;about=Who made it.';
comment on column device.devices.model is 'class=operational;about=Model as on the plate.';
comment on column device.devices.kind is 'class=operational;about=What it is; fridges and freezers raise cold_chain alarms, analysers need quality control before results are released.';
comment on column device.devices.location_id is 'class=operational;about=Where it stands.';
comment on column device.devices.department_id is 'class=operational;about=The department that answers for it.';
comment on column device.devices.protocol is 'class=operational;about=How it talks; manual when its readings are typed.';
comment on column device.devices.api_client_id is 'class=operational;about=The machine account that it, or its gateway, signs in with.';
comment on column device.devices.firmware is 'class=operational;about=Firmware or software version.';
comment on column device.devices.calibration_due_on is 'class=operational;about=Next calibration; kept by device.record_maintenance.';
comment on column device.devices.pm_due_on is 'class=operational;about=Next preventive maintenance; kept by device.record_maintenance.';
comment on column device.devices.last_seen_at is 'class=operational;about=When its last batch of readings arrived.';
comment on column device.devices.status is 'class=operational;about=commissioning, active, maintenance, offline (no signal) or retired.';
select core.comment_standard_columns('device.devices');

alter table device.devices enable row level security, force row level security;
create policy tenant_isolation on device.devices
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger devices_touch before update on device.devices
  for each row execute function core.update_updated_at_column('row_version');
create trigger devices_transition before insert or update of status on device.devices
  for each row execute function core.enforce_transition('device.devices', 'status');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('device.devices', '', 'commissioning', false, null),
  ('device.devices', 'commissioning', 'active', false, null),
  ('device.devices', 'active', 'maintenance', false, null),
  ('device.devices', 'active', 'offline', false, null),
  ('device.devices', 'active', 'retired', true, null),
  ('device.devices', 'maintenance', 'active', false, null),
  ('device.devices', 'maintenance', 'retired', true, null),
  ('device.devices', 'offline', 'active', false, null),
  ('device.devices', 'offline', 'maintenance', false, null),
  ('device.devices', 'offline', 'retired', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on device.devices to device_app;
grant insert (
  tenant_id, id, asset_tag, udi, serial_number, manufacturer, model, kind, location_id, department_id, protocol,
  api_client_id, firmware
) on device.devices to device_app;
grant update (
  asset_tag, udi, serial_number, manufacturer, model, location_id, department_id, protocol, api_client_id, firmware,
  row_version, deleted_at, deleted_by, delete_reason
) on device.devices to device_app;
grant select on device.devices to device_ro;
