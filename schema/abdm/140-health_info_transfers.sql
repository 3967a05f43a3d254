-- abdm.health_info_transfers: each page of each care context that was sent or received, by its checksum. A context that the
-- session's artefact does not list has no transfer (IM713). What was received has a day on which it is erased; erasing
-- (abdm.erase_due) takes the content away and leaves the row, as proof.

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
  transferred_at timestamptz not null default now(),
  erase_at timestamptz,
  erased_at timestamptz,
  error text,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint health_info_transfers_pkey primary key (tenant_id, id),
  constraint health_info_transfers_page_key unique (tenant_id, request_row_id, care_context_reference, page_no),
  constraint health_info_transfers_direction_known check (direction in ('out', 'in')),
  constraint health_info_transfers_hi_status_known check (hi_status in ('DELIVERED', 'ERRORED', 'OK')),
  constraint health_info_transfers_page_not_negative check (page_no >= 0),
  constraint health_info_transfers_checksum_not_empty check (octet_length(checksum) > 0),
  constraint health_info_transfers_received_is_erased_some_day check (direction <> 'in' or erase_at is not null),
  constraint health_info_transfers_erased_has_no_content check (erased_at is null or bundle_document_id is null)
);

alter table abdm.health_info_transfers add constraint health_info_transfers_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table abdm.health_info_transfers add constraint health_info_transfers_request_row_fkey
  foreign key (tenant_id, request_row_id) references abdm.health_info_requests (tenant_id, id);
alter table abdm.health_info_transfers add constraint health_info_transfers_bundle_document_fkey
  foreign key (tenant_id, bundle_document_id) references ehr.documents (tenant_id, id);

create index health_info_transfers_bundle_document_idx on abdm.health_info_transfers (tenant_id, bundle_document_id)
  where bundle_document_id is not null;
create index health_info_transfers_due_idx on abdm.health_info_transfers (tenant_id, erase_at)
  where erase_at is not null and erased_at is null;

comment on table abdm.health_info_transfers is 'class=phi;scope=tenant;owner=fhir;fhir=DocumentReference;retention=medical_record;about=Each page of a care context that was sent or received.';
comment on column abdm.health_info_transfers.request_row_id is 'class=operational;about=The session.';
comment on column abdm.health_info_transfers.direction is 'class=operational;about=out (sent) or in (received).';
comment on column abdm.health_info_transfers.care_context_reference is 'class=phi;about=The care context, by the giving site''s reference.';
comment on column abdm.health_info_transfers.page_no is 'class=operational;about=Number of the page in the session.';
comment on column abdm.health_info_transfers.media_type is 'class=operational;about=Kind of content, such as application/fhir+json.';
comment on column abdm.health_info_transfers.checksum is 'class=operational;about=Checksum of the content that came with it.';
comment on column abdm.health_info_transfers.hi_status is 'class=operational;about=DELIVERED or ERRORED (sent), OK or ERRORED (received).';
comment on column abdm.health_info_transfers.bundle_document_id is 'class=phi;about=The stored bundle, null when it is not kept or was erased.';
comment on column abdm.health_info_transfers.bundle_profile is 'class=operational;about=Canonical URL of the bundle''s profile.';
comment on column abdm.health_info_transfers.validation_errors is 'class=phi;about=What validation found wrong.';
comment on column abdm.health_info_transfers.transferred_at is 'class=operational;about=When it was sent or received.';
comment on column abdm.health_info_transfers.erase_at is 'class=operational;about=When received content must be gone: dataEraseAt, or at once when the consent ends before.';
comment on column abdm.health_info_transfers.erased_at is 'class=operational;about=When it was erased.';
comment on column abdm.health_info_transfers.error is 'class=operational;about=Code of the failure of this page.';
select core.comment_standard_columns('abdm.health_info_transfers');

alter table abdm.health_info_transfers enable row level security, force row level security;
create policy tenant_isolation on abdm.health_info_transfers
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger health_info_transfers_context_listed
  before insert or update of request_row_id, care_context_reference on abdm.health_info_transfers
  for each row execute function abdm.check_transferred_context();
create trigger health_info_transfers_touch before update on abdm.health_info_transfers
  for each row execute function core.update_updated_at_column('row_version');
select audit.track('abdm.health_info_transfers');

grant select on abdm.health_info_transfers to fhir_app;
grant select on abdm.health_info_transfers to fhir_ro;
