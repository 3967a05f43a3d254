-- fhir.concept_maps: what a code of one system is in another: ICD-10 to SNOMED CT, local tests to LOINC, packages to
-- SNOMED CT. Shared rows come from loaders; a tenant adds its own, and both count. fhir.translate_code reads them.

create table fhir.concept_maps (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  source_system text not null,
  source_code text not null,
  target_system text not null,
  target_code text not null,
  equivalence text not null,
  valid_during daterange not null default daterange(current_date - 1, null), -- today wherever the tenant is
  reviewed_by uuid,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint concept_maps_pkey primary key (id),
  constraint concept_maps_pair_key unique nulls not distinct (
    tenant_id, source_system, source_code, target_system, target_code
  ),
  constraint concept_maps_equivalence_known check (
    equivalence in ('equivalent', 'wider', 'narrower', 'inexact', 'unmatched')
  ),
  constraint concept_maps_unmatched_has_no_target check ((equivalence = 'unmatched') = (target_code = '')),
  constraint concept_maps_valid_some_day check (not isempty(valid_during)),
  constraint concept_maps_snomed_check_digit check (
    (source_system <> 'http://snomed.info/sct' or core.valid_sctid(source_code))
    and (target_system <> 'http://snomed.info/sct' or target_code = '' or core.valid_sctid(target_code))
  ),
  constraint concept_maps_loinc_check_digit check (
    (source_system <> 'http://loinc.org' or core.valid_loinc(source_code))
    and (target_system <> 'http://loinc.org' or target_code = '' or core.valid_loinc(target_code))
  )
);

alter table fhir.concept_maps add constraint concept_maps_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

comment on table fhir.concept_maps is 'class=reference;scope=shared;owner=fhir;fhir=ConceptMap;retention=reference;about=Mappings (ICD-10 to SNOMED, local to LOINC, package to SNOMED).';
comment on column fhir.concept_maps.source_system is 'class=reference;about=URI of the system that is translated from.';
comment on column fhir.concept_maps.source_code is 'class=reference;about=Code there.';
comment on column fhir.concept_maps.target_system is 'class=reference;about=URI of the system that is translated to.';
comment on column fhir.concept_maps.target_code is 'class=reference;about=Code there, empty when there is none.';
comment on column fhir.concept_maps.equivalence is 'class=reference;about=What the target is to the source: equivalent, wider, narrower, inexact, or unmatched: somebody looked and found none.';
comment on column fhir.concept_maps.valid_during is 'class=reference;about=Days on which the mapping holds.';
comment on column fhir.concept_maps.reviewed_by is 'class=operational;about=The user who checked it, null for a mapping as loaded.';
select core.comment_standard_columns('fhir.concept_maps');

alter table fhir.concept_maps enable row level security, force row level security;
create policy tenant_isolation on fhir.concept_maps
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
create policy shared_rows on fhir.concept_maps for select using (tenant_id is null);

create trigger concept_maps_touch before update on fhir.concept_maps
  for each row execute function core.update_updated_at_column('row_version');

grant select, insert, update on fhir.concept_maps to fhir_app;
grant select on fhir.concept_maps to fhir_ro;
