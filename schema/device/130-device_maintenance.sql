-- device.device_maintenance: acceptance, calibration, preventive maintenance, breakdown, recall, decommissioning.
--
-- Evidence: rows are added by device.record_maintenance and never changed. A device that was out of tolerance needs a
-- review of the results that it gave meanwhile.

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
  constraint device_maintenance_recorded_once unique (tenant_id, device_id, kind, performed_at),
  constraint device_maintenance_kind_check check (
    kind in ('acceptance', 'calibration', 'preventive', 'breakdown', 'recall', 'decommission')
  ),
  constraint device_maintenance_result_check check (result in ('pass', 'fail', 'limited')),
  constraint device_maintenance_out_of_tolerance_reviewed check (not out_of_tolerance or impact_review is not null)
);

alter table device.device_maintenance add constraint device_maintenance_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table device.device_maintenance add constraint device_maintenance_device_fkey
  foreign key (tenant_id, device_id) references device.devices (tenant_id, id);
alter table device.device_maintenance add constraint device_maintenance_certificate_document_fkey
  foreign key (tenant_id, certificate_document_id) references ehr.documents (tenant_id, id);

create index device_maintenance_certificate_document_idx on device.device_maintenance (tenant_id, certificate_document_id)
  where certificate_document_id is not null;

comment on table device.device_maintenance is 'class=operational;scope=tenant;owner=device;fhir=DeviceMetric.calibration;retention=operational;append_only=1;about=Calibration, preventive maintenance, breakdown and acceptance records.';
comment on column device.device_maintenance.device_id is 'class=operational;about=The device.';
comment on column device.device_maintenance.kind is 'class=operational;about=What was done: acceptance, calibration, preventive, breakdown, recall or decommission.';
comment on column device.device_maintenance.performed_at is 'class=operational;about=When; one record a device, kind and time.';
comment on column device.device_maintenance.performed_by is 'class=operational;about=Engineer or firm.';
comment on column device.device_maintenance.certificate_document_id is 'class=operational;about=The certificate.';
comment on column device.device_maintenance.result is 'class=operational;about=pass, fail, or limited when it may be used with restrictions.';
comment on column device.device_maintenance.traceability is 'class=operational;about=Reference standard that the calibration is traceable to.';
comment on column device.device_maintenance.next_due_on is 'class=operational;about=When the same is due again.';
comment on column device.device_maintenance.out_of_tolerance is 'class=operational;about=Whether the device was found measuring outside its tolerance.';
comment on column device.device_maintenance.impact_review is 'class=operational;about=What was found about results given since the last good calibration.';
select core.comment_standard_columns('device.device_maintenance');

alter table device.device_maintenance enable row level security, force row level security;
create policy tenant_isolation on device.device_maintenance
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger device_maintenance_append_only before update or delete on device.device_maintenance
  for each row execute function core.refuse_change();
create trigger device_maintenance_no_truncate before truncate on device.device_maintenance
  for each statement execute function core.refuse_change();

grant select on device.device_maintenance to device_app;
grant select on device.device_maintenance to device_ro;
