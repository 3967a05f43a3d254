-- laboratory.reference_ranges: normal, critical and reportable limits by sex, age and pregnancy.
--
-- For one test, sex and pregnancy, ranges never overlap in age and validity (constraint), so a result has one range; a range
-- for the sex stands before one for any. A tenant's own range names who approved it (ISO 15189, 7.3.5); shared ones are
-- defaults that nobody has approved.

create table laboratory.reference_ranges (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  test_id uuid not null,
  sex text not null,
  age_days int4range not null,
  pregnancy text not null,
  low numeric,
  high numeric,
  critical_low numeric,
  critical_high numeric,
  reportable_low numeric,
  reportable_high numeric,
  text_range text,
  valid_during daterange not null,
  approved_by uuid,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint reference_ranges_pkey primary key (id),
  constraint reference_ranges_one_at_a_time exclude using gist (
    (coalesce(tenant_id, core.zero_uuid())) with =, test_id with =, sex with =, pregnancy with =, age_days with &&, valid_during with &&
  ),
  constraint reference_ranges_approved check (tenant_id is null or approved_by is not null),
  constraint reference_ranges_sex_check check (sex in ('any', 'male', 'female')),
  constraint reference_ranges_pregnancy_check check (pregnancy in ('any', 'yes', 'no')),
  constraint reference_ranges_low_below_high check (low <= high),
  constraint reference_ranges_critical_below_low check (critical_low <= low),
  constraint reference_ranges_critical_above_high check (critical_high >= high),
  constraint reference_ranges_finite check (
    low not in ('NaN', 'Infinity', '-Infinity') and high not in ('NaN', 'Infinity', '-Infinity')
    and critical_low not in ('NaN', 'Infinity', '-Infinity')
    and critical_high not in ('NaN', 'Infinity', '-Infinity')
    and reportable_low not in ('NaN', 'Infinity', '-Infinity')
    and reportable_high not in ('NaN', 'Infinity', '-Infinity')
  )
);

alter table laboratory.reference_ranges add constraint reference_ranges_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table laboratory.reference_ranges add constraint reference_ranges_test_fkey
  foreign key (test_id) references laboratory.lab_tests (id);
alter table laboratory.reference_ranges add constraint reference_ranges_approved_by_fkey
  foreign key (tenant_id, approved_by) references workforce.staff (tenant_id, id);

create index reference_ranges_approved_by_idx on laboratory.reference_ranges (tenant_id, approved_by);
create index reference_ranges_test_idx on laboratory.reference_ranges (test_id, tenant_id);
comment on index laboratory.reference_ranges_test_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';

comment on table laboratory.reference_ranges is 'class=reference;scope=shared;owner=lab;fhir=ObservationDefinition.qualifiedInterval;retention=reference;about=Normal, critical and reportable limits by sex, age and state.';
comment on column laboratory.reference_ranges.test_id is 'class=reference;about=The test.';
comment on column laboratory.reference_ranges.sex is 'class=reference;about=any, male or female, by the sex that the patient is registered with.';
comment on column laboratory.reference_ranges.age_days is 'class=reference;about=Age in days, upper end exclusive.';
comment on column laboratory.reference_ranges.pregnancy is 'class=reference;about=any, yes or no.';
comment on column laboratory.reference_ranges.low is 'class=reference;about=Lower reference limit, in the unit of the test.';
comment on column laboratory.reference_ranges.high is 'class=reference;about=Upper reference limit.';
comment on column laboratory.reference_ranges.critical_low is 'class=reference;about=Below this somebody must be told at once.';
comment on column laboratory.reference_ranges.critical_high is 'class=reference;about=Above this somebody must be told at once.';
comment on column laboratory.reference_ranges.reportable_low is 'class=reference;about=Lower end of what the method can measure; a value below needs a comparator.';
comment on column laboratory.reference_ranges.reportable_high is 'class=reference;about=Upper end of what the method can measure; a value above needs a comparator or a dilution.';
comment on column laboratory.reference_ranges.text_range is 'class=reference;about=Range as printed when it is not two numbers.';
comment on column laboratory.reference_ranges.valid_during is 'class=reference;about=Dates on which the range holds, end exclusive.';
comment on column laboratory.reference_ranges.approved_by is 'class=reference;about=The person who approved it; null for shared defaults only.';
select core.comment_standard_columns('laboratory.reference_ranges');

alter table laboratory.reference_ranges enable row level security, force row level security;
create policy tenant_isolation on laboratory.reference_ranges
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
create policy shared_rows on laboratory.reference_ranges for select using (tenant_id is null);

create trigger reference_ranges_touch before update on laboratory.reference_ranges
  for each row execute function core.update_updated_at_column('row_version');
create trigger reference_ranges_test_visible before insert or update of test_id on laboratory.reference_ranges
  for each row execute function core.check_shared_reference('test_id', 'laboratory.lab_tests');

grant select, insert, update on laboratory.reference_ranges to lab_app;
grant select on laboratory.reference_ranges to lab_ro;
