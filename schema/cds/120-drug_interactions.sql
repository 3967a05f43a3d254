-- cds.drug_interactions: pairs that clash: drug with drug, with an allergy class, with a disease, with food; and drugs of one
-- class. Knowledge for all tenants, loaded by the platform from a source that each row names.

create table cds.drug_interactions (
  id uuid not null default core.uuid_v7(),
  kind text not null,
  subject_code text not null,
  object_code text not null,
  severity text not null,
  onset text not null default 'unknown',
  evidence_level text not null,
  effect text not null,
  management text not null,
  source text not null,
  active boolean not null default true,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint drug_interactions_pkey primary key (id),
  constraint drug_interactions_kind_subject_code_key unique (kind, subject_code, object_code, source),
  constraint drug_interactions_kind_check check (
    kind in ('drug_drug', 'drug_allergy_class', 'drug_disease', 'drug_food', 'duplicate_class')
  ),
  constraint drug_interactions_severity_check check (severity in ('contraindicated', 'major', 'moderate', 'minor')),
  constraint drug_interactions_onset_check check (onset in ('rapid', 'delayed', 'unknown')),
  constraint drug_interactions_pairs_stand_once check (kind not in ('drug_drug', 'duplicate_class') or subject_code < object_code)
);

create index drug_interactions_object_idx on cds.drug_interactions (object_code, kind);

comment on table cds.drug_interactions is 'class=reference;scope=global;owner=cds;fhir=MedicinalProductInteraction;retention=reference;about=Pairs that clash: drug and drug, allergy class, disease, food.';
comment on column cds.drug_interactions.kind is 'class=reference;about=What the object is: drug_drug, drug_allergy_class, drug_disease, drug_food or duplicate_class (another drug of the same class).';
comment on column cds.drug_interactions.subject_code is 'class=reference;about=Ingredient code.';
comment on column cds.drug_interactions.object_code is 'class=reference;about=Ingredient, allergy class, disease (code or ICD-10) or food. Drug pairs stand in the order of their codes, once.';
comment on column cds.drug_interactions.severity is 'class=reference;about=contraindicated (a hard stop), major (a warning), moderate or minor (information).';
comment on column cds.drug_interactions.onset is 'class=reference;about=How soon the effect shows.';
comment on column cds.drug_interactions.evidence_level is 'class=reference;about=How well it is documented, in the words of the source.';
comment on column cds.drug_interactions.effect is 'class=reference;about=What happens.';
comment on column cds.drug_interactions.management is 'class=reference;about=What to do about it.';
comment on column cds.drug_interactions.source is 'class=reference;about=Where the row comes from.';
comment on column cds.drug_interactions.active is 'class=reference;about=Whether it is used.';
select core.comment_standard_columns('cds.drug_interactions');

create trigger drug_interactions_touch before update on cds.drug_interactions
  for each row execute function core.update_updated_at_column('row_version');

grant select on cds.drug_interactions to cds_app;
grant select on cds.drug_interactions to cds_ro;
