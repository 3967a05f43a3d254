-- cds.dose_limits: the most that is given at once and in a day, by age, weight and renal function. Knowledge for all tenants.
--
-- Two rows of one source never overlap: the exclusion constraint decides which limit holds for a patient.

create table cds.dose_limits (
  id uuid not null default core.uuid_v7(),
  ingredient_code text not null,
  route text not null,
  age_days int4range not null,
  weight_kg numrange,
  egfr numrange,
  pregnancy text not null default 'any',
  max_single numeric,
  max_daily numeric,
  unit text not null,
  per_kg boolean not null default false,
  source text not null,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint dose_limits_pkey primary key (id),
  constraint dose_limits_not_overlapping exclude using gist (
    ingredient_code with =, route with =, unit with =, source with =, pregnancy with =, age_days with &&,
    (coalesce(weight_kg, numrange(null, null))) with &&, (coalesce(egfr, numrange(null, null))) with &&
  ),
  constraint dose_limits_pregnancy_check check (pregnancy in ('any', 'avoid', 'allowed')),
  constraint dose_limits_limit_something check (num_nonnulls(max_single, max_daily) >= 1),
  constraint dose_limits_single_within_daily check (max_single <= max_daily),
  constraint dose_limits_positive check (max_single > 0 and max_daily > 0),
  constraint dose_limits_ranges_not_empty check (
    not isempty(age_days) and not isempty(weight_kg) and not isempty(egfr)
  )
);


comment on table cds.dose_limits is 'class=reference;scope=global;owner=cds;fhir=MedicationKnowledge.administrationGuidelines;retention=reference;about=The most that is given at once and in a day, by age, weight and renal function.';
comment on column cds.dose_limits.ingredient_code is 'class=reference;about=Ingredient code.';
comment on column cds.dose_limits.route is 'class=reference;about=Route of administration, in the words of medication.drugs.route.';
comment on column cds.dose_limits.age_days is 'class=reference;about=Age in days that the row holds for.';
comment on column cds.dose_limits.weight_kg is 'class=reference;about=Body weight in kg that it holds for; null for any.';
comment on column cds.dose_limits.egfr is 'class=reference;about=Estimated glomerular filtration rate in mL/min/1.73 m2 that it holds for; null for any.';
comment on column cds.dose_limits.pregnancy is 'class=reference;about=any: holds for everybody. avoid: do not give in pregnancy, else as limits. allowed: holds for pregnant patients only.';
comment on column cds.dose_limits.max_single is 'class=reference;about=Most at once, in unit.';
comment on column cds.dose_limits.max_daily is 'class=reference;about=Most in 24 hours, in unit.';
comment on column cds.dose_limits.unit is 'class=reference;about=Unit of the limits, such as mg.';
comment on column cds.dose_limits.per_kg is 'class=reference;about=Whether the limits count per kg of body weight.';
comment on column cds.dose_limits.source is 'class=reference;about=Where the row comes from.';
select core.comment_standard_columns('cds.dose_limits');

create trigger dose_limits_touch before update on cds.dose_limits
  for each row execute function core.update_updated_at_column('row_version');

grant select on cds.dose_limits to cds_app;
grant select on cds.dose_limits to cds_ro;
