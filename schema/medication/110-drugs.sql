-- medication.drugs: Drug catalogue (generic and brand).

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
  aware_group text not null,
  telemedicine_list text not null,
  storage text,
  active boolean not null default false,
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
  constraint drugs_core_rule check (core.valid_sctid(snomed)),
  constraint drugs_atc_rule check (atc ~ '^[A-Z][0-9]{2}[A-Z]{2}[0-9]{2}$'),
  constraint drugs_schedule_rule check (schedule not in ('X', 'NDPS') or telemedicine_list = 'prohibited')
);


comment on table medication.drugs is 'class=reference;scope=global;owner=medication;fhir=Medication,MedicationKnowledge;retention=reference;about=Drug catalogue (generic and brand).';
comment on column medication.drugs.code is 'class=reference;about=?';
comment on column medication.drugs.generic_name is 'class=reference;about=?';
comment on column medication.drugs.brand_name is 'class=reference;about=?';
comment on column medication.drugs.manufacturer is 'class=reference;about=?';
comment on column medication.drugs.form is 'class=reference;about=?';
comment on column medication.drugs.strength is 'class=reference;about=?';
comment on column medication.drugs.route is 'class=reference;about=?';
comment on column medication.drugs.atc is 'class=reference;about=?';
comment on column medication.drugs.snomed is 'class=reference;about=?';
comment on column medication.drugs.schedule is 'class=reference;about=?';
comment on column medication.drugs.hsn is 'class=reference;about=?';
comment on column medication.drugs.is_high_alert is 'class=reference;about=?';
comment on column medication.drugs.is_lasa is 'class=reference;about=?';
comment on column medication.drugs.is_antimicrobial is 'class=reference;about=?';
comment on column medication.drugs.aware_group is 'class=reference;about=?';
comment on column medication.drugs.telemedicine_list is 'class=reference;about=?';
comment on column medication.drugs.storage is 'class=reference;about=?';
comment on column medication.drugs.active is 'class=reference;about=?';
select core.comment_standard_columns('medication.drugs');

create trigger drugs_touch before update on medication.drugs
  for each row execute function core.update_updated_at_column('row_version');

grant select on medication.drugs to medication_app;
grant select on medication.drugs to medication_ro;
