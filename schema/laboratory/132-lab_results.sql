-- laboratory.lab_results: the result of one test on one sample. Entered, verified, authorised; then its value never
-- changes (IM311): a correction is a new row that supersedes it. What an analyser measured is released only while its
-- quality control is accepted (IM310, trigger).
--
-- Growth of an organism and each antibiotic susceptibility are child rows (parent_result_id).

create table laboratory.lab_results (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  order_item_id uuid not null,
  sample_id uuid not null,
  test_id uuid not null,
  patient_id uuid not null,
  resulted_at timestamptz not null,
  value_num numeric,
  comparator text,
  value_text text,
  value_code text,
  unit_ucum text,
  reference_range_id uuid,
  reference_text text,
  flag text,
  is_critical boolean not null default false,
  delta_flag boolean,
  device_id uuid,
  run_ref text,
  method text,
  reagent_batch_id uuid,
  dilution numeric,
  parent_result_id uuid,
  entered_by uuid,
  verified_by uuid,
  verified_at timestamptz,
  authorised_by uuid,
  authorised_at timestamptz,
  supersedes_id uuid,
  amendment_reason text,
  status text not null default 'registered',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint lab_results_pkey primary key (tenant_id, id),
  constraint lab_results_comparator_check check (comparator in ('lt', 'le', 'ge', 'gt')),
  constraint lab_results_flag_check check (flag in ('N', 'L', 'H', 'LL', 'HH', 'A', 'POS', 'NEG', 'IND')),
  constraint lab_results_status_check check (
    status in ('registered', 'preliminary', 'cancelled', 'corrected', 'verified', 'final', 'superseded', 'entered_in_error')
  ),
  constraint lab_results_has_value check (
    num_nonnulls(value_num, value_text, value_code) >= 1 or status in ('registered', 'cancelled')
  ),
  constraint lab_results_released_by_two_steps check (
    status not in ('final', 'corrected') or (verified_by is not null and authorised_by is not null)
  ),
  constraint lab_results_correction_with_reason check ((supersedes_id is null) = (amendment_reason is null)),
  constraint lab_results_finite check (
    value_num not in ('NaN', 'Infinity', '-Infinity') and dilution not in ('NaN', 'Infinity', '-Infinity')
  )
);

alter table laboratory.lab_results add constraint lab_results_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table laboratory.lab_results add constraint lab_results_order_item_fkey
  foreign key (tenant_id, order_item_id) references laboratory.lab_order_items (tenant_id, id);
alter table laboratory.lab_results add constraint lab_results_sample_fkey
  foreign key (tenant_id, sample_id) references laboratory.samples (tenant_id, id);
alter table laboratory.lab_results add constraint lab_results_test_fkey
  foreign key (test_id) references laboratory.lab_tests (id);
alter table laboratory.lab_results add constraint lab_results_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table laboratory.lab_results add constraint lab_results_reference_range_fkey
  foreign key (reference_range_id) references laboratory.reference_ranges (id);
alter table laboratory.lab_results add constraint lab_results_device_fkey
  foreign key (tenant_id, device_id) references device.devices (tenant_id, id);
alter table laboratory.lab_results add constraint lab_results_reagent_batch_fkey
  foreign key (tenant_id, reagent_batch_id) references inventory.batches (tenant_id, id);
alter table laboratory.lab_results add constraint lab_results_parent_result_fkey
  foreign key (tenant_id, parent_result_id) references laboratory.lab_results (tenant_id, id);
alter table laboratory.lab_results add constraint lab_results_entered_by_fkey
  foreign key (tenant_id, entered_by) references workforce.staff (tenant_id, id);
alter table laboratory.lab_results add constraint lab_results_verified_by_fkey
  foreign key (tenant_id, verified_by) references workforce.staff (tenant_id, id);
alter table laboratory.lab_results add constraint lab_results_authorised_by_fkey
  foreign key (tenant_id, authorised_by) references workforce.staff (tenant_id, id);
alter table laboratory.lab_results add constraint lab_results_supersedes_fkey
  foreign key (tenant_id, supersedes_id) references laboratory.lab_results (tenant_id, id);

create unique index lab_results_one_live_per_test on laboratory.lab_results (tenant_id, order_item_id, test_id, parent_result_id) nulls not distinct
  where status not in ('superseded', 'cancelled', 'entered_in_error');
create index lab_results_order_item_idx on laboratory.lab_results (tenant_id, order_item_id);
create index lab_results_sample_idx on laboratory.lab_results (tenant_id, sample_id);
create index lab_results_test_idx on laboratory.lab_results (test_id, tenant_id);
comment on index laboratory.lab_results_test_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index lab_results_patient_idx on laboratory.lab_results (tenant_id, patient_id, test_id, resulted_at);
create index lab_results_pending_idx on laboratory.lab_results (tenant_id, resulted_at)
  where status in ('preliminary', 'verified');
create index lab_results_critical_idx on laboratory.lab_results (tenant_id, resulted_at) where is_critical;
create index lab_results_reference_range_idx on laboratory.lab_results (reference_range_id, tenant_id)
  where reference_range_id is not null;
comment on index laboratory.lab_results_reference_range_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index lab_results_device_idx on laboratory.lab_results (tenant_id, device_id)
  where device_id is not null;
create index lab_results_reagent_batch_idx on laboratory.lab_results (tenant_id, reagent_batch_id)
  where reagent_batch_id is not null;
create index lab_results_parent_result_idx on laboratory.lab_results (tenant_id, parent_result_id)
  where parent_result_id is not null;
create index lab_results_entered_by_idx on laboratory.lab_results (tenant_id, entered_by)
  where entered_by is not null;
create index lab_results_verified_by_idx on laboratory.lab_results (tenant_id, verified_by)
  where verified_by is not null;
create index lab_results_authorised_by_idx on laboratory.lab_results (tenant_id, authorised_by)
  where authorised_by is not null;
create unique index lab_results_corrected_once on laboratory.lab_results (tenant_id, supersedes_id)
  where supersedes_id is not null;

comment on table laboratory.lab_results is 'class=phi;scope=tenant;owner=lab;fhir=Observation (laboratory);retention=medical_record;about=Result of one test on one sample; a correction is a new row.';
comment on column laboratory.lab_results.order_item_id is 'class=phi;about=The ordered test.';
comment on column laboratory.lab_results.sample_id is 'class=phi;about=The sample or aliquot that was measured.';
comment on column laboratory.lab_results.test_id is 'class=phi;about=The test; for child rows it may be another than the item''s.';
comment on column laboratory.lab_results.patient_id is 'class=phi;about=The patient.';
comment on column laboratory.lab_results.resulted_at is 'class=phi;about=When it was measured.';
comment on column laboratory.lab_results.value_num is 'class=phi;about=Numeric value in unit_ucum.';
comment on column laboratory.lab_results.comparator is 'class=phi;about=lt, le, ge, gt when the value is a limit of the method: <5.';
comment on column laboratory.lab_results.value_text is 'class=phi;about=Text, titre or description.';
comment on column laboratory.lab_results.value_code is 'class=phi;about=Coded value: positive, negative, an organism.';
comment on column laboratory.lab_results.unit_ucum is 'class=phi;about=Unit of the value, copied from the test.';
comment on column laboratory.lab_results.reference_range_id is 'class=phi;about=The range that it was judged by.';
comment on column laboratory.lab_results.reference_text is 'class=phi;about=That range as printed, kept as it was.';
comment on column laboratory.lab_results.flag is 'class=phi;about=N normal, L low, H high, LL and HH critical, A abnormal, POS, NEG, IND.';
comment on column laboratory.lab_results.is_critical is 'class=phi;about=Whether somebody must be told at once.';
comment on column laboratory.lab_results.delta_flag is 'class=phi;about=Whether it differs from the patient''s previous result by more than the test allows; null without one.';
comment on column laboratory.lab_results.device_id is 'class=operational;about=The analyser; null for work by hand.';
comment on column laboratory.lab_results.run_ref is 'class=operational;about=The analyser''s number of the run.';
comment on column laboratory.lab_results.method is 'class=phi;about=Method, copied from the test.';
comment on column laboratory.lab_results.reagent_batch_id is 'class=operational;about=Reagent lot.';
comment on column laboratory.lab_results.dilution is 'class=phi;about=Factor of dilution; the value is already multiplied by it.';
comment on column laboratory.lab_results.parent_result_id is 'class=phi;about=The result that this one details.';
comment on column laboratory.lab_results.entered_by is 'class=operational;about=Who entered it.';
comment on column laboratory.lab_results.verified_by is 'class=operational;about=Who checked it technically.';
comment on column laboratory.lab_results.verified_at is 'class=phi;about=When it was checked.';
comment on column laboratory.lab_results.authorised_by is 'class=operational;about=Who released it.';
comment on column laboratory.lab_results.authorised_at is 'class=phi;about=When it was released.';
comment on column laboratory.lab_results.supersedes_id is 'class=phi;about=The result that it corrects.';
comment on column laboratory.lab_results.amendment_reason is 'class=phi;about=Why it was corrected.';
comment on column laboratory.lab_results.status is 'class=phi;about=registered, preliminary, verified, final, corrected; superseded, cancelled, entered_in_error.';
select core.comment_standard_columns('laboratory.lab_results');

alter table laboratory.lab_results enable row level security, force row level security;
create policy tenant_isolation on laboratory.lab_results
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger lab_results_touch before update on laboratory.lab_results
  for each row execute function core.update_updated_at_column('row_version');
create trigger lab_results_test_visible before insert or update of test_id on laboratory.lab_results
  for each row execute function core.check_shared_reference('test_id', 'laboratory.lab_tests');
create trigger lab_results_reference_range_visible before insert or update of reference_range_id on laboratory.lab_results
  for each row execute function core.check_shared_reference('reference_range_id', 'laboratory.reference_ranges');
create trigger lab_results_transition before insert or update of status on laboratory.lab_results
  for each row execute function core.enforce_transition('laboratory.lab_results', 'status');
create trigger lab_results_first_state after insert on laboratory.lab_results
  for each row execute function core.announce_first_state('laboratory.lab_results');
create trigger lab_results_final_stays before update on laboratory.lab_results
  for each row execute function laboratory.keep_released_result();
create trigger lab_results_qc_accepted before insert or update of status on laboratory.lab_results
  for each row execute function laboratory.check_release();
select audit.track('laboratory.lab_results');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('laboratory.lab_results', '', 'registered', false, null),
  ('laboratory.lab_results', '', 'preliminary', false, null), -- entered with its value
  ('laboratory.lab_results', '', 'corrected', false, 'result.corrected.v1'), -- in the transaction that supersedes the old
  ('laboratory.lab_results', 'registered', 'preliminary', false, null),
  ('laboratory.lab_results', 'registered', 'cancelled', true, null),
  ('laboratory.lab_results', 'preliminary', 'verified', false, null),
  ('laboratory.lab_results', 'preliminary', 'cancelled', true, null),
  ('laboratory.lab_results', 'verified', 'final', false, 'result.final.v1'),
  ('laboratory.lab_results', 'verified', 'preliminary', false, null),
  ('laboratory.lab_results', 'final', 'superseded', false, null),
  ('laboratory.lab_results', 'final', 'entered_in_error', true, null),
  ('laboratory.lab_results', 'corrected', 'superseded', false, null),
  ('laboratory.lab_results', 'corrected', 'entered_in_error', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on laboratory.lab_results to lab_app;
grant select on laboratory.lab_results to lab_ro;
