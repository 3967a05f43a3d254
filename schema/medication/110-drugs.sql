-- The drug catalogue: one row a product or generic in one strength and form, the same for all hospitals. What a hospital
-- stocks and sells is inventory.items; several items may be one drug. Controlled drugs (Schedule X, NDPS) are never
-- prescribed over video.

create table medication.drugs (
  id uuid not null default core.uuid_v7(),
  code text not null,
  generic_name text not null,
  brand_name text,
  manufacturer text,
  form text not null,
  strength text not null,
  route text[] not null default '{}',
  atc text,
  snomed text,
  schedule text not null,
  hsn text,
  is_high_alert boolean not null default false,
  is_lasa boolean not null default false,
  is_antimicrobial boolean not null default false,
  aware_group text not null default 'na',
  telemedicine_list text not null,
  storage text,
  active boolean not null default true,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint drugs_pkey primary key (id),
  constraint drugs_code_key unique (code),
  constraint drugs_schedule_check check (schedule in ('OTC', 'G', 'H', 'H1', 'X', 'NDPS', 'none')),
  constraint drugs_aware_group_check check (aware_group in ('access', 'watch', 'reserve', 'na')),
  constraint drugs_telemedicine_list_check check (telemedicine_list in ('O', 'A', 'B', 'prohibited')),
  constraint drugs_snomed_valid check (core.valid_sctid(snomed)),
  constraint drugs_atc_format check (atc ~ '^[A-Z][0-9]{2}[A-Z]{2}[0-9]{2}$'),
  constraint drugs_controlled_not_by_video check (schedule not in ('X', 'NDPS') or telemedicine_list = 'prohibited'),
  constraint drugs_aware_group_of_antimicrobials check (is_antimicrobial or aware_group = 'na')
);

create index drugs_generic_name_idx on medication.drugs (generic_name) where active;

comment on table medication.drugs is 'class=reference;scope=global;owner=medication;fhir=Medication,MedicationKnowledge;retention=reference;about=Drug catalogue (generic and brand).';
comment on column medication.drugs.code is 'class=reference;about=Code of the catalogue that the rows were loaded from.';
comment on column medication.drugs.generic_name is 'class=reference;about=International nonproprietary name, or names joined by + for a combination.';
comment on column medication.drugs.brand_name is 'class=reference;about=Brand; null for a generic entry.';
comment on column medication.drugs.manufacturer is 'class=reference;about=Who makes the brand.';
comment on column medication.drugs.form is 'class=reference;about=Dose form: tablet, capsule, syrup, injection, inhaler, ...';
comment on column medication.drugs.strength is 'class=reference;about=Strength as printed, such as 500 mg or 125 mg/5 ml; the exact amounts are in drug_ingredients.';
comment on column medication.drugs.route is 'class=reference;about=Routes it may be given by: oral, iv, im, sc, topical, inhaled, rectal, ...';
comment on column medication.drugs.atc is 'class=reference;about=WHO ATC code, fifth level.';
comment on column medication.drugs.snomed is 'class=reference;about=SNOMED CT concept id, where the hospital is licensed.';
comment on column medication.drugs.schedule is 'class=reference;about=Indian drug schedule: OTC, G, H, H1, X, NDPS (narcotic or psychotropic), or none.';
comment on column medication.drugs.hsn is 'class=reference;about=HSN code for tax.';
comment on column medication.drugs.is_high_alert is 'class=reference;about=A mistake does grave harm (insulin, heparin, potassium, opioids): two people dispense and give it.';
comment on column medication.drugs.is_lasa is 'class=reference;about=Looks or sounds like another drug: screens show the name in tall-man letters.';
comment on column medication.drugs.is_antimicrobial is 'class=reference;about=Counts for antimicrobial stewardship.';
comment on column medication.drugs.aware_group is 'class=reference;about=WHO AWaRe group of an antibiotic: access, watch, reserve; na for all other drugs.';
comment on column medication.drugs.telemedicine_list is 'class=reference;about=List of the Indian telemedicine guidelines: O any consultation, A video or repeat, B repeat only, prohibited.';
comment on column medication.drugs.storage is 'class=reference;about=How to store it, such as 2-8 degrees Celsius.';
comment on column medication.drugs.active is 'class=reference;about=Whether it may be prescribed.';
select core.comment_standard_columns('medication.drugs');

create trigger drugs_touch before update on medication.drugs
  for each row execute function core.update_updated_at_column('row_version');

grant select on medication.drugs to medication_app, medication_ro;
