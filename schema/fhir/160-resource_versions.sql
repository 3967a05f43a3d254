-- fhir.resource_versions: Immutable FHIR renderings of rows and document bundles, with profile and validation outcome.
-- RULE to build: resource_type in FHIR R4 list

create table fhir.resource_versions (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  resource_type text not null,
  logical_id uuid not null,
  version integer not null default 1,
  profile text[] not null default '{}',
  content_enc bytea not null,
  content_hash bytea not null,
  source_schema text not null,
  source_table text not null,
  source_id uuid not null,
  patient_id uuid,
  recorded_at timestamptz not null,
  validator text,
  valid boolean,
  issues jsonb,
  bundle_type text,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint resource_versions_pkey primary key (tenant_id, id, logical_id),
  constraint resource_versions_resource_type_logical_key unique (tenant_id, resource_type, logical_id, version),
  constraint resource_versions_version_rule check (version >= 1),
  constraint resource_versions_octet_length_rule check (octet_length(content_hash) = 32)
) partition by hash (logical_id);

alter table fhir.resource_versions add constraint resource_versions_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

comment on table fhir.resource_versions is 'class=phi;scope=tenant;owner=fhir;fhir=(any),Bundle;retention=medical_record;append_only=1;about=Immutable FHIR renderings of rows and document bundles, with profile and validation outcome.';
comment on column fhir.resource_versions.resource_type is 'class=phi;about=?';
comment on column fhir.resource_versions.logical_id is 'class=phi;about=?';
comment on column fhir.resource_versions.version is 'class=phi;about=?';
comment on column fhir.resource_versions.profile is 'class=phi;about=?';
comment on column fhir.resource_versions.content_enc is 'class=phi;enc=1;about=?';
comment on column fhir.resource_versions.content_hash is 'class=phi;about=?';
comment on column fhir.resource_versions.source_schema is 'class=phi;about=?';
comment on column fhir.resource_versions.source_table is 'class=phi;about=?';
comment on column fhir.resource_versions.source_id is 'class=phi;about=?';
comment on column fhir.resource_versions.patient_id is 'class=phi;about=The patient.';
comment on column fhir.resource_versions.recorded_at is 'class=phi;about=?';
comment on column fhir.resource_versions.validator is 'class=phi;about=?';
comment on column fhir.resource_versions.valid is 'class=phi;about=?';
comment on column fhir.resource_versions.issues is 'class=phi;about=?';
comment on column fhir.resource_versions.bundle_type is 'class=phi;about=?';
select core.comment_standard_columns('fhir.resource_versions');

alter table fhir.resource_versions enable row level security;
alter table fhir.resource_versions force row level security;
create policy tenant_isolation on fhir.resource_versions
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger resource_versions_append_only before update or delete on fhir.resource_versions
  for each row execute function core.refuse_change();
create trigger resource_versions_no_truncate before truncate on fhir.resource_versions
  for each statement execute function core.refuse_change();
select audit.track('fhir.resource_versions');

grant select, insert on fhir.resource_versions to fhir_app;
grant select on fhir.resource_versions to fhir_ro;
