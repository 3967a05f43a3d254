-- fhir.concepts: Codes with display and designations.
-- RULE to build: SNOMED CT and LOINC codes pass their check digit

create table fhir.concepts (
  id uuid not null default core.uuid_v7(),
  code_system_id uuid not null,
  code text not null,
  display text not null,
  status text not null,
  parents text[] not null default '{}',
  designations jsonb not null default '{}',
  properties jsonb not null default '{}',
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint concepts_pkey primary key (id),
  constraint concepts_code_system_code_key unique (code_system_id, code),
  constraint concepts_status_check check (status in ('active', 'inactive'))
);

alter table fhir.concepts add constraint concepts_code_system_fkey
  foreign key (code_system_id) references fhir.code_systems (id);

-- KEY to build: index: gin trigram on display

comment on table fhir.concepts is 'class=reference;scope=global;owner=fhir;fhir=CodeSystem.concept;retention=reference;about=Codes with display and designations.';
comment on column fhir.concepts.code_system_id is 'class=reference;about=?';
comment on column fhir.concepts.code is 'class=reference;about=?';
comment on column fhir.concepts.display is 'class=reference;about=?';
comment on column fhir.concepts.status is 'class=reference;about=?';
comment on column fhir.concepts.parents is 'class=reference;about=?';
comment on column fhir.concepts.designations is 'class=reference;about=?';
comment on column fhir.concepts.properties is 'class=reference;about=?';
select core.comment_standard_columns('fhir.concepts');

create trigger concepts_touch before update on fhir.concepts
  for each row execute function core.update_updated_at_column();

grant select on fhir.concepts to fhir_app;
grant select on fhir.concepts to fhir_ro;
