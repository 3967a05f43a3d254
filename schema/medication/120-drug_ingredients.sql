-- medication.drug_ingredients: Active ingredients of a drug; what interaction rules match on.

create table medication.drug_ingredients (
  id uuid not null default core.uuid_v7(),
  drug_id uuid not null,
  ingredient_code text not null,
  ingredient_name text not null,
  strength_value numeric,
  strength_unit text,
  is_active boolean not null default false,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint drug_ingredients_pkey primary key (id),
  constraint drug_ingredients_drug_ingredient_code_key unique (drug_id, ingredient_code)
);

alter table medication.drug_ingredients add constraint drug_ingredients_drug_fkey
  foreign key (drug_id) references medication.drugs (id);

comment on table medication.drug_ingredients is 'class=reference;scope=global;owner=medication;fhir=Medication.ingredient;retention=reference;about=Active ingredients of a drug; what interaction rules match on.';
comment on column medication.drug_ingredients.drug_id is 'class=reference;about=?';
comment on column medication.drug_ingredients.ingredient_code is 'class=reference;about=?';
comment on column medication.drug_ingredients.ingredient_name is 'class=reference;about=?';
comment on column medication.drug_ingredients.strength_value is 'class=reference;about=?';
comment on column medication.drug_ingredients.strength_unit is 'class=reference;about=?';
comment on column medication.drug_ingredients.is_active is 'class=reference;about=?';
select core.comment_standard_columns('medication.drug_ingredients');

create trigger drug_ingredients_touch before update on medication.drug_ingredients
  for each row execute function core.update_updated_at_column();

grant select on medication.drug_ingredients to medication_app;
grant select on medication.drug_ingredients to medication_ro;
