-- fhir.resource_versions: rows and document bundles as they were rendered in FHIR, for good. What left the hospital can be
-- shown years later; a new rendering is a new version. Versions of a resource count 1, 2, 3 without a gap, and a rendering
-- that equals the last one is no new version: fhir.store_version, the only writer, sees to both.
--
-- Partitioned by hash of logical_id, 16 ways: the versions of a resource are together and no partition grows old.

create table fhir.resource_versions (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  resource_type text not null,
  logical_id uuid not null,
  version integer not null,
  profile text[] not null default '{}',
  content_enc bytea not null,
  content_hash bytea not null,
  source_schema text not null,
  source_table text not null,
  source_id uuid not null,
  patient_id uuid,
  recorded_at timestamptz not null default now(),
  validator text,
  valid boolean,
  issues jsonb,
  bundle_type text,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint resource_versions_pkey primary key (tenant_id, id, logical_id),
  constraint resource_versions_version_key unique (tenant_id, resource_type, logical_id, version),
  constraint resource_versions_type_of_r4 check (fhir.is_r4_resource_type(resource_type)),
  constraint resource_versions_version_from_1 check (version >= 1),
  constraint resource_versions_hash_is_sha256 check (octet_length(content_hash) = 32),
  constraint resource_versions_outcome_has_validator check ((valid is null) = (validator is null)),
  constraint resource_versions_invalid_has_issues check (valid or valid is null or issues is not null),
  constraint resource_versions_bundle_type_known check (
    bundle_type in (
      'document', 'message', 'transaction', 'transaction-response', 'batch', 'batch-response', 'history', 'searchset',
      'collection'
    )
  ),
  constraint resource_versions_bundle_has_type check ((resource_type = 'Bundle') = (bundle_type is not null))
) partition by hash (logical_id);

alter table fhir.resource_versions add constraint resource_versions_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table fhir.resource_versions add constraint resource_versions_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);

create index resource_versions_patient_idx on fhir.resource_versions (tenant_id, patient_id, recorded_at)
  where patient_id is not null;
create index resource_versions_source_idx on fhir.resource_versions (tenant_id, source_id);

comment on table fhir.resource_versions is 'class=phi;scope=tenant;owner=fhir;fhir=(any),Bundle;retention=medical_record;append_only=1;about=FHIR renderings of rows and document bundles, version by version, with profile and outcome of validation.';
comment on column fhir.resource_versions.resource_type is 'class=operational;about=Kind of resource, by its FHIR R4 name.';
comment on column fhir.resource_versions.logical_id is 'class=operational;about=FHIR id of the resource, the same over its versions.';
comment on column fhir.resource_versions.version is 'class=operational;about=meta.versionId: 1, 2, 3 without gaps.';
comment on column fhir.resource_versions.profile is 'class=operational;about=meta.profile: canonical URLs that the content claims to follow.';
comment on column fhir.resource_versions.content_enc is 'class=phi;enc=1;about=The resource as JSON, encrypted.';
comment on column fhir.resource_versions.content_hash is 'class=operational;about=SHA-256 of the canonical JSON before encryption; equal hash, equal content.';
comment on column fhir.resource_versions.source_schema is 'class=operational;about=Schema of the row that was rendered.';
comment on column fhir.resource_versions.source_table is 'class=operational;about=Table of that row.';
comment on column fhir.resource_versions.source_id is 'class=operational;about=Its id; of a bundle the row that the document is about.';
comment on column fhir.resource_versions.patient_id is 'class=phi;about=The patient that the content is about, null for resources without one.';
comment on column fhir.resource_versions.recorded_at is 'class=operational;about=meta.lastUpdated: when this version was stored.';
comment on column fhir.resource_versions.validator is 'class=operational;about=Name and version of what validated the content, null when nothing did.';
comment on column fhir.resource_versions.valid is 'class=operational;about=The outcome, null when it was not validated.';
comment on column fhir.resource_versions.issues is 'class=phi;about=OperationOutcome.issue of the validation.';
comment on column fhir.resource_versions.bundle_type is 'class=operational;about=Bundle.type of bundles: document, collection, transaction and so on.';
select core.comment_standard_columns('fhir.resource_versions');

alter table fhir.resource_versions enable row level security, force row level security;
create policy tenant_isolation on fhir.resource_versions
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger resource_versions_append_only before update or delete on fhir.resource_versions
  for each row execute function core.refuse_change();
create trigger resource_versions_no_truncate before truncate on fhir.resource_versions
  for each statement execute function core.refuse_change();
select audit.track('fhir.resource_versions');

grant select on fhir.resource_versions to fhir_app;
grant select on fhir.resource_versions to fhir_ro;
