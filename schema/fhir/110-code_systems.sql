-- fhir.code_systems: Code systems and their loaded versions.

create table fhir.code_systems (
  id uuid not null default core.uuid_v7(),
  url text not null,
  version text not null default 1,
  name text not null,
  licence text not null,
  is_current boolean not null default false,
  loaded_at timestamptz not null,
  concept_count integer not null,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint code_systems_pkey primary key (id),
  constraint code_systems_url_version_key unique (url, version)
);


create unique index code_systems_url_key on fhir.code_systems (url)
  where is_current;

comment on table fhir.code_systems is 'class=reference;scope=global;owner=fhir;fhir=CodeSystem;retention=reference;about=Code systems and their loaded versions.';
comment on column fhir.code_systems.url is 'class=reference;about=?';
comment on column fhir.code_systems.version is 'class=reference;about=?';
comment on column fhir.code_systems.name is 'class=reference;about=?';
comment on column fhir.code_systems.licence is 'class=reference;about=?';
comment on column fhir.code_systems.is_current is 'class=reference;about=?';
comment on column fhir.code_systems.loaded_at is 'class=reference;about=?';
comment on column fhir.code_systems.concept_count is 'class=reference;about=?';
select core.comment_standard_columns('fhir.code_systems');

create trigger code_systems_touch before update on fhir.code_systems
  for each row execute function core.update_updated_at_column('row_version');

grant select on fhir.code_systems to fhir_app;
grant select on fhir.code_systems to fhir_ro;
