-- abdm.health_info_transfers: Each care context sent or received, with its content reference and erase date.
-- RULE to build: context is listed in the artefact (trigger IM713)

create table abdm.health_info_transfers (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  request_row_id uuid not null,
  direction text not null,
  care_context_reference text not null,
  page_no integer not null,
  media_type text not null,
  checksum bytea not null,
  hi_status text,
  bundle_document_id uuid,
  bundle_profile text,
  validation_errors jsonb,
  transferred_at timestamptz not null,
  erase_at timestamptz,
  erased_at timestamptz,
  error text,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint health_info_transfers_pkey primary key (tenant_id, id),
  constraint health_info_transfers_request_row_care_context_referenc_key unique (tenant_id, request_row_id, care_context_reference, page_no),
  constraint health_info_transfers_direction_check check (direction in ('out', 'in')),
  constraint health_info_transfers_hi_status_check check (hi_status in ('DELIVERED', 'ERRORED', 'OK')),
  constraint health_info_transfers_in_complete check (direction <> 'in' or erase_at is not null),
  constraint health_info_transfers_erased_at_rule check (erased_at is null or bundle_document_id is null)
);

alter table abdm.health_info_transfers add constraint health_info_transfers_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table abdm.health_info_transfers add constraint health_info_transfers_request_row_fkey
  foreign key (tenant_id, request_row_id) references abdm.health_info_requests (tenant_id, id);
alter table abdm.health_info_transfers add constraint health_info_transfers_bundle_document_fkey
  foreign key (tenant_id, bundle_document_id) references ehr.documents (tenant_id, id);

create index health_info_transfers_bundle_document_idx on abdm.health_info_transfers (tenant_id, bundle_document_id)
  where bundle_document_id is not null;

comment on table abdm.health_info_transfers is 'class=phi;scope=tenant;owner=fhir;fhir=DocumentReference;retention=medical_record;about=Each care context sent or received, with its content reference and erase date.';
comment on column abdm.health_info_transfers.request_row_id is 'class=phi;about=?';
comment on column abdm.health_info_transfers.direction is 'class=phi;about=?';
comment on column abdm.health_info_transfers.care_context_reference is 'class=phi;about=?';
comment on column abdm.health_info_transfers.page_no is 'class=phi;about=?';
comment on column abdm.health_info_transfers.media_type is 'class=phi;about=?';
comment on column abdm.health_info_transfers.checksum is 'class=phi;about=?';
comment on column abdm.health_info_transfers.hi_status is 'class=phi;about=?';
comment on column abdm.health_info_transfers.bundle_document_id is 'class=phi;about=?';
comment on column abdm.health_info_transfers.bundle_profile is 'class=phi;about=?';
comment on column abdm.health_info_transfers.validation_errors is 'class=phi;about=?';
comment on column abdm.health_info_transfers.transferred_at is 'class=phi;about=?';
comment on column abdm.health_info_transfers.erase_at is 'class=phi;about=?';
comment on column abdm.health_info_transfers.erased_at is 'class=phi;about=?';
comment on column abdm.health_info_transfers.error is 'class=phi;about=?';
select core.comment_standard_columns('abdm.health_info_transfers');

alter table abdm.health_info_transfers enable row level security;
alter table abdm.health_info_transfers force row level security;
create policy tenant_isolation on abdm.health_info_transfers
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger health_info_transfers_touch before update on abdm.health_info_transfers
  for each row execute function core.update_updated_at_column('row_version');
select audit.track('abdm.health_info_transfers');

grant select, insert, update on abdm.health_info_transfers to fhir_app;
grant select on abdm.health_info_transfers to fhir_ro;
