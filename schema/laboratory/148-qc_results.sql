-- laboratory.qc_results: runs of internal quality control with their Westgard verdict, and rounds of external assessment.
--
-- The verdict is computed here, in laboratory.record_qc, never sent. A row is evidence: only its review (incident, reviewer,
-- time) is filled in later, once (trigger); a rejected run is not reviewed without an incident.

create table laboratory.qc_results (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  qc_lot_id uuid,
  scheme text not null,
  test_id uuid not null,
  device_id uuid not null,
  run_at timestamptz not null,
  value numeric not null,
  target numeric,
  z_score numeric(8, 4) not null,
  violated_rules text[] not null default '{}',
  verdict text not null,
  operator_id uuid not null,
  eqa_round text,
  eqa_performance text,
  incident_id uuid,
  reviewed_by uuid,
  reviewed_at timestamptz,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint qc_results_pkey primary key (tenant_id, id, run_at),
  constraint qc_results_scheme_check check (scheme in ('iqc', 'eqa')),
  constraint qc_results_verdict_check check (verdict in ('accept', 'warn', 'reject')),
  constraint qc_results_eqa_performance_check check (
    eqa_performance in ('acceptable', 'questionable', 'unacceptable')
  ),
  constraint qc_results_internal_has_lot check ((scheme = 'iqc') = (qc_lot_id is not null)),
  constraint qc_results_external_has_round check (scheme <> 'eqa' or eqa_round is not null),
  constraint qc_results_reviewed_by_someone check ((reviewed_at is null) = (reviewed_by is null)),
  constraint qc_results_reject_reviewed_with_incident check (verdict <> 'reject' or reviewed_at is null or incident_id is not null),
  constraint qc_results_finite check (
    value not in ('NaN', 'Infinity', '-Infinity') and target not in ('NaN', 'Infinity', '-Infinity')
    and z_score <> 'NaN'
  )
) partition by range (run_at);

create table laboratory.qc_results_default partition of laboratory.qc_results default;

alter table laboratory.qc_results add constraint qc_results_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table laboratory.qc_results add constraint qc_results_qc_lot_fkey
  foreign key (tenant_id, qc_lot_id) references laboratory.qc_lots (tenant_id, id);
alter table laboratory.qc_results add constraint qc_results_test_fkey
  foreign key (test_id) references laboratory.lab_tests (id);
alter table laboratory.qc_results add constraint qc_results_device_fkey
  foreign key (tenant_id, device_id) references device.devices (tenant_id, id);
alter table laboratory.qc_results add constraint qc_results_operator_fkey
  foreign key (tenant_id, operator_id) references workforce.staff (tenant_id, id);
alter table laboratory.qc_results add constraint qc_results_incident_fkey
  foreign key (tenant_id, incident_id) references compliance.incidents (tenant_id, id);
alter table laboratory.qc_results add constraint qc_results_reviewed_by_fkey
  foreign key (tenant_id, reviewed_by) references workforce.staff (tenant_id, id);

-- a run is recorded once
create unique index qc_results_run_once on laboratory.qc_results (tenant_id, qc_lot_id, run_at)
  where qc_lot_id is not null;
create index qc_results_test_idx on laboratory.qc_results (test_id, tenant_id);
comment on index laboratory.qc_results_test_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index qc_results_device_idx on laboratory.qc_results (tenant_id, device_id, test_id, run_at);
create index qc_results_operator_idx on laboratory.qc_results (tenant_id, operator_id);
create index qc_results_incident_idx on laboratory.qc_results (tenant_id, incident_id)
  where incident_id is not null;
create index qc_results_reviewed_by_idx on laboratory.qc_results (tenant_id, reviewed_by)
  where reviewed_by is not null;

comment on table laboratory.qc_results is 'class=operational;scope=tenant;owner=lab;fhir=Observation;retention=operational;partition=month;about=Internal QC runs with Westgard verdict, and external (EQA/PT) rounds.';
comment on column laboratory.qc_results.qc_lot_id is 'class=operational;about=The control lot; null for an external round.';
comment on column laboratory.qc_results.scheme is 'class=operational;about=iqc internal or eqa external.';
comment on column laboratory.qc_results.test_id is 'class=operational;about=The test.';
comment on column laboratory.qc_results.device_id is 'class=operational;about=The analyser.';
comment on column laboratory.qc_results.run_at is 'class=operational;about=When it was measured; months are partitions.';
comment on column laboratory.qc_results.value is 'class=operational;about=Measured value, in the unit of the test.';
comment on column laboratory.qc_results.target is 'class=operational;about=Mean of the lot at that time, or assigned value of the round.';
comment on column laboratory.qc_results.z_score is 'class=operational;about=(value - target) / SD.';
comment on column laboratory.qc_results.violated_rules is 'class=operational;about=The Westgard rules that the run breaks.';
comment on column laboratory.qc_results.verdict is 'class=operational;about=accept, warn (1_2s only) or reject.';
comment on column laboratory.qc_results.operator_id is 'class=operational;about=Who ran it.';
comment on column laboratory.qc_results.eqa_round is 'class=operational;about=Scheme and round of the external assessment.';
comment on column laboratory.qc_results.eqa_performance is 'class=operational;about=acceptable (|z| at most 2), questionable (below 3) or unacceptable.';
comment on column laboratory.qc_results.incident_id is 'class=operational;about=The nonconformity that a rejected run led to.';
comment on column laboratory.qc_results.reviewed_by is 'class=operational;about=Who reviewed it.';
comment on column laboratory.qc_results.reviewed_at is 'class=operational;about=When it was reviewed.';
select core.comment_standard_columns('laboratory.qc_results');

alter table laboratory.qc_results enable row level security, force row level security;
create policy tenant_isolation on laboratory.qc_results
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
alter table laboratory.qc_results_default enable row level security, force row level security;
create policy tenant_isolation on laboratory.qc_results_default
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger qc_results_reviewed_once before update on laboratory.qc_results
  for each row execute function laboratory.keep_qc_result();
create trigger qc_results_not_deleted before delete on laboratory.qc_results
  for each row execute function core.refuse_change();
create trigger qc_results_test_visible before insert or update of test_id on laboratory.qc_results
  for each row execute function core.check_shared_reference('test_id', 'laboratory.lab_tests');
select audit.track('laboratory.qc_results');

grant select on laboratory.qc_results to lab_app;
grant select on laboratory.qc_results to lab_ro;
