-- Implanted devices with batch, UDI or serial number: what a recall and an implant claim ask for. No serial number of a
-- device is in two patients.

create table clinical.implants (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  patient_id uuid not null,
  procedure_id uuid not null,
  item_id uuid not null,
  batch_id uuid,
  udi text,
  serial_number text,
  implanted_at timestamptz not null default now(),
  body_site text not null,
  sticker_document_id uuid,
  explanted_at timestamptz,
  explant_reason text,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint implants_pkey primary key (tenant_id, id),
  constraint implants_traceable check (num_nonnulls(batch_id, serial_number, udi) >= 1),
  constraint implants_explant_has_reason check (explanted_at is null or explant_reason is not null),
  constraint implants_explanted_after_implant check (explanted_at >= implanted_at)
);

alter table clinical.implants add constraint implants_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table clinical.implants add constraint implants_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table clinical.implants add constraint implants_procedure_fkey
  foreign key (tenant_id, procedure_id) references clinical.procedures (tenant_id, id);
alter table clinical.implants add constraint implants_item_fkey
  foreign key (tenant_id, item_id) references inventory.items (tenant_id, id);
alter table clinical.implants add constraint implants_batch_fkey
  foreign key (tenant_id, batch_id) references inventory.batches (tenant_id, id);
alter table clinical.implants add constraint implants_sticker_document_fkey
  foreign key (tenant_id, sticker_document_id) references ehr.documents (tenant_id, id);

create unique index implants_serial_number_key on clinical.implants (tenant_id, item_id, udi, serial_number)
  nulls not distinct where serial_number is not null;
create index implants_patient_idx on clinical.implants (tenant_id, patient_id);
create index implants_procedure_idx on clinical.implants (tenant_id, procedure_id);
create index implants_item_idx on clinical.implants (tenant_id, item_id);
create index implants_batch_idx on clinical.implants (tenant_id, batch_id)
  where batch_id is not null;
create index implants_sticker_document_idx on clinical.implants (tenant_id, sticker_document_id)
  where sticker_document_id is not null;

comment on table clinical.implants is 'class=phi;scope=tenant;owner=clinical;fhir=Device;retention=medical_record;about=Implanted devices with UDI and batch; recall and PM-JAY implant evidence.';
comment on column clinical.implants.patient_id is 'class=phi;about=The patient.';
comment on column clinical.implants.procedure_id is 'class=phi;about=Procedure in which it was implanted.';
comment on column clinical.implants.item_id is 'class=operational;about=Item of stock.';
comment on column clinical.implants.batch_id is 'class=operational;about=Batch of the item.';
comment on column clinical.implants.udi is 'class=phi;about=Unique device identifier as scanned.';
comment on column clinical.implants.serial_number is 'class=phi;about=Serial number.';
comment on column clinical.implants.implanted_at is 'class=phi;about=When.';
comment on column clinical.implants.body_site is 'class=phi;about=Where in the body.';
comment on column clinical.implants.sticker_document_id is 'class=phi;about=Picture of its sticker.';
comment on column clinical.implants.explanted_at is 'class=phi;about=When it was taken out.';
comment on column clinical.implants.explant_reason is 'class=phi;about=Why.';
select core.comment_standard_columns('clinical.implants');

alter table clinical.implants enable row level security, force row level security;
create policy tenant_isolation on clinical.implants
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger implants_touch before update on clinical.implants
  for each row execute function core.update_updated_at_column('row_version');
create trigger implants_no_aadhaar before insert or update of udi, serial_number, body_site on clinical.implants
  for each row execute function core.reject_aadhaar_like('body_site');
select audit.track('clinical.implants');

grant select, insert on clinical.implants to clinical_app;
grant update (sticker_document_id, explanted_at, explant_reason, row_version) on clinical.implants to clinical_app;
grant select on clinical.implants to clinical_ro;
