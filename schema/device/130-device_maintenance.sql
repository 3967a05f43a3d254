-- device.device_maintenance: Calibration, preventive maintenance, breakdown and acceptance records.

create table device.device_maintenance (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  device_id uuid not null,
  kind text not null,
  performed_at timestamptz not null,
  performed_by text not null,
  certificate_document_id uuid,
  result text not null,
  traceability text,
  next_due_on date,
  out_of_tolerance boolean not null default false,
  impact_review text,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint device_maintenance_pkey primary key (tenant_id, id),
  constraint device_maintenance_kind_check check (
    kind in ('acceptance', 'calibration', 'preventive', 'breakdown', 'recall', 'decommission')
  ),
  constraint device_maintenance_result_check check (result in ('pass', 'fail', 'limited')),
  constraint device_maintenance_out_of_tolerance_rule check (not out_of_tolerance or impact_review is not null)
);

alter table device.device_maintenance add constraint device_maintenance_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table device.device_maintenance add constraint device_maintenance_device_fkey
  foreign key (tenant_id, device_id) references device.devices (tenant_id, id);
alter table device.device_maintenance add constraint device_maintenance_certificate_document_fkey
  foreign key (tenant_id, certificate_document_id) references ehr.documents (tenant_id, id);

create index device_maintenance_device_idx on device.device_maintenance (tenant_id, device_id);
create index device_maintenance_certificate_document_idx on device.device_maintenance (tenant_id, certificate_document_id)
  where certificate_document_id is not null;

comment on table device.device_maintenance is 'class=operational;scope=tenant;owner=device;fhir=DeviceMetric.calibration;retention=operational;append_only=1;about=Calibration, preventive maintenance, breakdown and acceptance records.';
comment on column device.device_maintenance.device_id is 'class=operational;about=?';
comment on column device.device_maintenance.kind is 'class=operational;about=?';
comment on column device.device_maintenance.performed_at is 'class=operational;about=?';
comment on column device.device_maintenance.performed_by is 'class=operational;about=?';
comment on column device.device_maintenance.certificate_document_id is 'class=operational;about=?';
comment on column device.device_maintenance.result is 'class=operational;about=?';
comment on column device.device_maintenance.traceability is 'class=operational;about=?';
comment on column device.device_maintenance.next_due_on is 'class=operational;about=?';
comment on column device.device_maintenance.out_of_tolerance is 'class=operational;about=?';
comment on column device.device_maintenance.impact_review is 'class=operational;about=?';
select core.comment_standard_columns('device.device_maintenance');

alter table device.device_maintenance enable row level security;
alter table device.device_maintenance force row level security;
create policy tenant_isolation on device.device_maintenance
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger device_maintenance_append_only before update or delete on device.device_maintenance
  for each row execute function core.refuse_change();
create trigger device_maintenance_no_truncate before truncate on device.device_maintenance
  for each statement execute function core.refuse_change();

grant select, insert on device.device_maintenance to device_app;
grant select on device.device_maintenance to device_ro;
