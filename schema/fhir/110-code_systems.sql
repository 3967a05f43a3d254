-- fhir.code_systems: which code systems are loaded, in which version. One version of a system is current.
--
-- Rows come from fhir.load_code_system, which the platform's loaders call: the table is the same for all tenants. SNOMED CT,
-- LOINC and ICD are licensed works, so none comes with the schema; licence says under what terms a version was loaded.

create table fhir.code_systems (
  id uuid not null default core.uuid_v7(),
  url text not null,
  version text not null,
  name text not null,
  licence text not null,
  is_current boolean not null default false,
  loaded_at timestamptz not null default now(),
  concept_count integer not null default 0,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint code_systems_pkey primary key (id),
  constraint code_systems_url_version_key unique (url, version),
  constraint code_systems_url_is_uri check (url ~ '^(https?|urn):[^ ]+$'),
  constraint code_systems_licence_stated check (licence <> ''),
  constraint code_systems_concept_count_not_negative check (concept_count >= 0)
);

create unique index code_systems_one_current_version on fhir.code_systems (url) where is_current;

comment on table fhir.code_systems is 'class=reference;scope=global;owner=fhir;fhir=CodeSystem;retention=reference;about=Code systems and their loaded versions.';
comment on column fhir.code_systems.url is 'class=reference;about=Canonical URI of the system, such as http://loinc.org.';
comment on column fhir.code_systems.version is 'class=reference;about=Version as the publisher names it, such as 2.80.';
comment on column fhir.code_systems.name is 'class=reference;about=Name to show.';
comment on column fhir.code_systems.licence is 'class=reference;about=Terms under which this version was loaded.';
comment on column fhir.code_systems.is_current is 'class=reference;about=The version that searches use; one a system.';
comment on column fhir.code_systems.loaded_at is 'class=reference;about=When the last concepts were loaded.';
comment on column fhir.code_systems.concept_count is 'class=reference;about=How many concepts are loaded.';
select core.comment_standard_columns('fhir.code_systems');

create trigger code_systems_touch before update on fhir.code_systems
  for each row execute function core.update_updated_at_column('row_version');

grant select on fhir.code_systems to fhir_app;
grant select on fhir.code_systems to fhir_ro;
