-- Active and other ingredients of a drug. Interaction, allergy and dose rules match on the ingredient, never on the brand.

create table medication.drug_ingredients (
  id uuid not null default core.uuid_v7(),
  drug_id uuid not null,
  ingredient_code text not null,
  ingredient_name text not null,
  strength_value numeric,
  strength_unit text,
  is_active boolean not null default true,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint drug_ingredients_pkey primary key (id),
  constraint drug_ingredients_drug_ingredient_key unique (drug_id, ingredient_code),
  constraint drug_ingredients_strength_has_unit check ((strength_value is null) = (strength_unit is null)),
  constraint drug_ingredients_strength_positive check (strength_value > 0),
  constraint drug_ingredients_finite check (strength_value not in ('NaN', 'Infinity', '-Infinity'))
);

alter table medication.drug_ingredients add constraint drug_ingredients_drug_fkey
  foreign key (drug_id) references medication.drugs (id);

create index drug_ingredients_ingredient_idx on medication.drug_ingredients (ingredient_code);

comment on table medication.drug_ingredients is 'class=reference;scope=global;owner=medication;fhir=Medication.ingredient;retention=reference;about=Active ingredients of a drug; what interaction rules match on.';
comment on column medication.drug_ingredients.drug_id is 'class=reference;about=The drug that contains it.';
comment on column medication.drug_ingredients.ingredient_code is 'class=reference;about=Code of the substance, the same as in cds.drug_interactions and cds.dose_limits.';
comment on column medication.drug_ingredients.ingredient_name is 'class=reference;about=Name of the substance.';
comment on column medication.drug_ingredients.strength_value is 'class=reference;about=Amount in one unit of the dose form: a tablet, a millilitre, a puff.';
comment on column medication.drug_ingredients.strength_unit is 'class=reference;about=Unit of the amount, UCUM: mg, ug, g, [IU], mmol.';
comment on column medication.drug_ingredients.is_active is 'class=reference;about=False for excipients, which matter for allergies only.';
select core.comment_standard_columns('medication.drug_ingredients');

create trigger drug_ingredients_touch before update on medication.drug_ingredients
  for each row execute function core.update_updated_at_column();

grant select on medication.drug_ingredients to medication_app, medication_ro;
