-- fhir.concepts: the codes of the loaded code systems, with what people call them. SNOMED CT and LOINC codes pass their
-- check digit, so a code that a spreadsheet rounded never gets in.
--
-- The table is global and has no row level security, so its two search indexes work: display_lc for what a display begins
-- with, words for words in the middle and for other languages. fhir.search_concepts uses both.

create table fhir.concepts (
  id uuid not null default core.uuid_v7(),
  code_system_id uuid not null,
  code text not null,
  display text not null,
  status text not null default 'active',
  parents text[] not null default '{}',
  designations jsonb not null default '{}',
  properties jsonb not null default '{}',
  display_lc text generated always as (lower(display)) stored,
  words tsvector generated always as (to_tsvector('simple', display) || to_tsvector('simple', designations)) stored,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint concepts_pkey primary key (id),
  constraint concepts_code_system_code_key unique (code_system_id, code),
  constraint concepts_status_known check (status in ('active', 'inactive')),
  constraint concepts_code_not_empty check (code <> ''),
  constraint concepts_display_not_empty check (display <> ''),
  constraint concepts_designations_by_language check (jsonb_typeof(designations) = 'object'),
  constraint concepts_properties_by_name check (jsonb_typeof(properties) = 'object')
);

alter table fhir.concepts add constraint concepts_code_system_fkey
  foreign key (code_system_id) references fhir.code_systems (id);

create index concepts_display_idx on fhir.concepts (code_system_id, display_lc text_pattern_ops);
create index concepts_words_idx on fhir.concepts using gin (words);
comment on index fhir.concepts_words_idx is 'about=Search for words anywhere in the display or in a designation. The table is global, so no policy stands between the index and the query.';

comment on table fhir.concepts is 'class=reference;scope=global;owner=fhir;fhir=CodeSystem.concept;retention=reference;about=Codes with display and designations.';
comment on column fhir.concepts.code_system_id is 'class=reference;about=The version of the code system.';
comment on column fhir.concepts.code is 'class=reference;about=The code.';
comment on column fhir.concepts.display is 'class=reference;about=Preferred text.';
comment on column fhir.concepts.status is 'class=reference;about=active, or inactive: kept for old records, not offered in searches.';
comment on column fhir.concepts.parents is 'class=reference;about=Codes of the parents in the same version.';
comment on column fhir.concepts.designations is 'class=reference;about=Other texts by language, such as {"hi": ["..."], "en": ["..."]}.';
comment on column fhir.concepts.properties is 'class=reference;about=Properties that the publisher gives a code, by name.';
comment on column fhir.concepts.display_lc is 'class=reference;about=The display in lower case, for searches by its beginning.';
comment on column fhir.concepts.words is 'class=reference;about=The words of display and designations, for searches.';
select core.comment_standard_columns('fhir.concepts');

create trigger concepts_check_code before insert or update of code, code_system_id on fhir.concepts
  for each row execute function fhir.check_concept_code();
create trigger concepts_touch before update on fhir.concepts
  for each row execute function core.update_updated_at_column();

grant select on fhir.concepts to fhir_app;
grant select on fhir.concepts to fhir_ro;
