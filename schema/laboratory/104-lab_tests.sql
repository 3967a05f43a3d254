-- laboratory.lab_tests: the catalogue of tests and panels. Rows without a tenant are shared by all; a tenant's own row with
-- the same code stands before it.

create table laboratory.lab_tests (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  code text not null,
  name text not null,
  loinc text,
  kind text not null,
  department_code text not null,
  specimen_type text,
  container text,
  min_volume_ml numeric(6, 2),
  method text,
  result_type text,
  unit_ucum text,
  decimals smallint,
  tat_minutes integer not null,
  stat_tat_minutes integer,
  stability_hours integer,
  transport_temp text not null default 'ambient',
  delta_check_pct numeric(5, 2),
  nabl_scope boolean not null default false,
  requires_authorisation boolean not null default false,
  formula jsonb,
  active boolean not null default false,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint lab_tests_pkey primary key (id),
  constraint lab_tests_code_key unique nulls not distinct (tenant_id, code),
  constraint lab_tests_kind_check check (kind in ('test', 'panel', 'calculated')),
  constraint lab_tests_result_type_check check (result_type in ('numeric', 'coded', 'text', 'titre', 'image')),
  constraint lab_tests_transport_temp_check check (transport_temp in ('ambient', 'refrigerated', 'frozen')),
  constraint lab_tests_code_form check (code ~ '^[A-Z0-9][A-Z0-9_-]{0,19}$'),
  constraint lab_tests_loinc_valid check (core.valid_loinc(loinc)),
  constraint lab_tests_calculated_has_formula check (kind <> 'calculated' or formula is not null),
  constraint lab_tests_turnaround_positive check (tat_minutes > 0 and stat_tat_minutes > 0),
  constraint lab_tests_panel_or_specimen check (
    kind = 'panel' or (specimen_type is not null and container is not null and result_type is not null)
  ),
  constraint lab_tests_numeric_has_unit check (result_type <> 'numeric' or unit_ucum is not null),
  constraint lab_tests_finite check (min_volume_ml <> 'NaN' and delta_check_pct <> 'NaN')
);

alter table laboratory.lab_tests add constraint lab_tests_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

comment on table laboratory.lab_tests is 'class=reference;scope=shared;owner=lab;fhir=ActivityDefinition,ObservationDefinition;retention=reference;about=Test and panel catalogue.';
comment on column laboratory.lab_tests.code is 'class=reference;about=Short code for people and orders, and the charge code of the test: HB, LFT. A tenant''s own test takes precedence over a shared one.';
comment on column laboratory.lab_tests.name is 'class=reference;about=Name as printed.';
comment on column laboratory.lab_tests.loinc is 'class=reference;about=LOINC code; the check digit is tested, whether it exists is not.';
comment on column laboratory.lab_tests.kind is 'class=reference;about=test, panel (a list of tests) or calculated (from other results).';
comment on column laboratory.lab_tests.department_code is 'class=reference;about=Section of the laboratory: haematology, biochemistry, microbiology.';
comment on column laboratory.lab_tests.specimen_type is 'class=reference;about=What is taken: blood, serum, urine. Tests of one specimen type and container share a sample.';
comment on column laboratory.lab_tests.container is 'class=reference;about=Tube or vessel: edta, plain, fluoride, sterile_cup.';
comment on column laboratory.lab_tests.min_volume_ml is 'class=reference;about=Least volume in ml that the test needs.';
comment on column laboratory.lab_tests.method is 'class=reference;about=Method, printed on the report.';
comment on column laboratory.lab_tests.result_type is 'class=reference;about=numeric, coded, text, titre or image: which value column a result must fill.';
comment on column laboratory.lab_tests.unit_ucum is 'class=reference;about=UCUM unit of numeric results.';
comment on column laboratory.lab_tests.decimals is 'class=reference;about=Digits after the point when printed.';
comment on column laboratory.lab_tests.tat_minutes is 'class=reference;about=Turnaround that is promised, minutes from order to report.';
comment on column laboratory.lab_tests.stat_tat_minutes is 'class=reference;about=The same for stat orders.';
comment on column laboratory.lab_tests.stability_hours is 'class=reference;about=How old a sample may be at receipt, hours from collection; null for no limit.';
comment on column laboratory.lab_tests.transport_temp is 'class=reference;about=ambient, refrigerated or frozen; limits in setting laboratory.transport_limits.';
comment on column laboratory.lab_tests.delta_check_pct is 'class=reference;about=Change against the patient''s previous result that is flagged, per cent.';
comment on column laboratory.lab_tests.nabl_scope is 'class=reference;about=Whether the test is in the scope of accreditation, and so needs external quality assessment.';
comment on column laboratory.lab_tests.requires_authorisation is 'class=reference;about=Whether author, verifier and authoriser must be different people, one after the other.';
comment on column laboratory.lab_tests.formula is 'class=reference;about=For calculated tests: {"expression": .., "inputs": [codes]}; evaluated by the application, entered like a result.';
comment on column laboratory.lab_tests.active is 'class=reference;about=Whether the test can be ordered.';
select core.comment_standard_columns('laboratory.lab_tests');

alter table laboratory.lab_tests enable row level security, force row level security;
create policy tenant_isolation on laboratory.lab_tests
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
create policy shared_rows on laboratory.lab_tests for select using (tenant_id is null);

create trigger lab_tests_touch before update on laboratory.lab_tests
  for each row execute function core.update_updated_at_column('row_version');

grant select, insert, update on laboratory.lab_tests to lab_app;
grant select on laboratory.lab_tests to lab_ro;
