-- cds.dose_limits: Maximum single and daily dose by age, weight, route, renal function.

create table cds.dose_limits (
  id uuid not null default core.uuid_v7(),
  ingredient_code text not null,
  route text not null,
  age_days int4range not null,
  weight_kg numrange,
  egfr numrange,
  pregnancy text not null,
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
    ingredient_code with =, route with =, unit with =, source with =, pregnancy with =, age_days with &&, (coalesce(weight_kg, numrange(null, null))) with &&, (coalesce(egfr, numrange(null, null))) with &&
  ),
  constraint dose_limits_pregnancy_check check (pregnancy in ('any', 'avoid', 'allowed')),
  constraint dose_limits_num_nonnulls_rule check (num_nonnulls(max_single,max_daily) >= 1),
  constraint dose_limits_max_single_rule check (max_single <= max_daily)
);


comment on table cds.dose_limits is 'class=reference;scope=global;owner=cds;fhir=MedicationKnowledge.administrationGuidelines;retention=reference;about=Maximum single and daily dose by age, weight, route, renal function.';
comment on column cds.dose_limits.ingredient_code is 'class=reference;about=?';
comment on column cds.dose_limits.route is 'class=reference;about=?';
comment on column cds.dose_limits.age_days is 'class=reference;about=?';
comment on column cds.dose_limits.weight_kg is 'class=reference;about=?';
comment on column cds.dose_limits.egfr is 'class=reference;about=?';
comment on column cds.dose_limits.pregnancy is 'class=reference;about=?';
comment on column cds.dose_limits.max_single is 'class=reference;about=?';
comment on column cds.dose_limits.max_daily is 'class=reference;about=?';
comment on column cds.dose_limits.unit is 'class=reference;about=?';
comment on column cds.dose_limits.per_kg is 'class=reference;about=?';
comment on column cds.dose_limits.source is 'class=reference;about=?';
select core.comment_standard_columns('cds.dose_limits');

create trigger dose_limits_touch before update on cds.dose_limits
  for each row execute function core.update_updated_at_column('row_version');

grant select on cds.dose_limits to cds_app;
grant select on cds.dose_limits to cds_ro;
