-- The radiologist's report of a study. A critical finding is not final before somebody was told; a final report is never
-- changed: its correction is a report of its own that names it.

create table clinical.imaging_results (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  report_number text not null,
  study_id uuid not null,
  patient_id uuid not null,
  findings_enc bytea not null,
  impression_enc bytea not null,
  conclusion_codes text[],
  is_critical boolean not null default false,
  critical_notified_to text,
  critical_notified_at timestamptz,
  reported_by uuid not null,
  verified_by uuid,
  issued_at timestamptz,
  amends_id uuid,
  amendment_reason text,
  document_id uuid,
  status text not null default 'registered',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint imaging_results_pkey primary key (tenant_id, id),
  constraint imaging_results_report_number_key unique (tenant_id, report_number),
  constraint imaging_results_status_check check (
    status in ('registered', 'preliminary', 'final', 'cancelled', 'amended', 'corrected', 'entered_in_error')
  ),
  constraint imaging_results_final_is_verified check (
    status not in ('final', 'amended', 'corrected') or (verified_by is not null and issued_at is not null)
  ),
  constraint imaging_results_critical_was_told check (
    not is_critical or status in ('registered', 'preliminary') or critical_notified_at is not null
  ),
  constraint imaging_results_amendment_has_reason check (amends_id is null or amendment_reason is not null),
  constraint imaging_results_told_has_name check ((critical_notified_at is null) = (critical_notified_to is null))
);

alter table clinical.imaging_results add constraint imaging_results_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table clinical.imaging_results add constraint imaging_results_study_fkey
  foreign key (tenant_id, study_id) references clinical.imaging_studies (tenant_id, id);
alter table clinical.imaging_results add constraint imaging_results_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table clinical.imaging_results add constraint imaging_results_reported_by_fkey
  foreign key (tenant_id, reported_by) references workforce.doctors (tenant_id, id);
alter table clinical.imaging_results add constraint imaging_results_verified_by_fkey
  foreign key (tenant_id, verified_by) references workforce.doctors (tenant_id, id);
alter table clinical.imaging_results add constraint imaging_results_amends_fkey
  foreign key (tenant_id, amends_id) references clinical.imaging_results (tenant_id, id);
alter table clinical.imaging_results add constraint imaging_results_document_fkey
  foreign key (tenant_id, document_id) references ehr.documents (tenant_id, id);

create index imaging_results_study_idx on clinical.imaging_results (tenant_id, study_id);
create index imaging_results_patient_idx on clinical.imaging_results (tenant_id, patient_id);
create index imaging_results_reported_by_idx on clinical.imaging_results (tenant_id, reported_by);
create index imaging_results_verified_by_idx on clinical.imaging_results (tenant_id, verified_by)
  where verified_by is not null;
create index imaging_results_amends_idx on clinical.imaging_results (tenant_id, amends_id)
  where amends_id is not null;
create index imaging_results_document_idx on clinical.imaging_results (tenant_id, document_id)
  where document_id is not null;

comment on table clinical.imaging_results is 'class=phi;scope=tenant;owner=clinical;fhir=DiagnosticReport;retention=medical_record;about=The radiologist''s report of a study.';
comment on column clinical.imaging_results.report_number is 'class=operational;about=Number that people read, series imaging_report.';
comment on column clinical.imaging_results.study_id is 'class=phi;about=The study.';
comment on column clinical.imaging_results.patient_id is 'class=phi;about=The patient.';
comment on column clinical.imaging_results.findings_enc is 'class=phi;enc=1;about=Findings; encrypted.';
comment on column clinical.imaging_results.impression_enc is 'class=phi;enc=1;about=Impression; encrypted.';
comment on column clinical.imaging_results.conclusion_codes is 'class=phi;about=Codes of the conclusion.';
comment on column clinical.imaging_results.is_critical is 'class=phi;about=True when somebody must act at once.';
comment on column clinical.imaging_results.critical_notified_to is 'class=phi;about=Who was told.';
comment on column clinical.imaging_results.critical_notified_at is 'class=operational;about=When.';
comment on column clinical.imaging_results.reported_by is 'class=operational;about=Doctor who reported.';
comment on column clinical.imaging_results.verified_by is 'class=operational;about=Doctor who verified.';
comment on column clinical.imaging_results.issued_at is 'class=operational;about=When it was issued.';
comment on column clinical.imaging_results.amends_id is 'class=phi;about=The report that this one replaces.';
comment on column clinical.imaging_results.amendment_reason is 'class=phi;about=Why.';
comment on column clinical.imaging_results.document_id is 'class=operational;about=The stored document.';
comment on column clinical.imaging_results.status is 'class=operational;about=registered, preliminary, final, amended, corrected, cancelled or entered_in_error.';
select core.comment_standard_columns('clinical.imaging_results');

alter table clinical.imaging_results enable row level security, force row level security;
create policy tenant_isolation on clinical.imaging_results
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger imaging_results_touch before update on clinical.imaging_results
  for each row execute function core.update_updated_at_column('row_version');
create trigger imaging_results_transition before insert or update of status on clinical.imaging_results
  for each row execute function core.enforce_transition('clinical.imaging_results', 'status');
create trigger imaging_results_unchanged_once_final before update on clinical.imaging_results
  for each row when (old.status not in ('registered', 'preliminary')) execute function clinical.keep_content('document_id');
create trigger imaging_results_no_aadhaar before insert or update of critical_notified_to on clinical.imaging_results
  for each row execute function core.reject_aadhaar_like('critical_notified_to');
select audit.track('clinical.imaging_results');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('clinical.imaging_results', '', 'registered', false, null),
  ('clinical.imaging_results', 'registered', 'preliminary', false, null),
  ('clinical.imaging_results', 'registered', 'final', false, 'report.issued.v1'),
  ('clinical.imaging_results', 'registered', 'cancelled', true, null),
  ('clinical.imaging_results', 'preliminary', 'final', false, 'report.issued.v1'),
  ('clinical.imaging_results', 'preliminary', 'cancelled', true, null),
  ('clinical.imaging_results', 'final', 'amended', true, null),
  ('clinical.imaging_results', 'final', 'corrected', true, null),
  ('clinical.imaging_results', 'final', 'entered_in_error', true, null),
  ('clinical.imaging_results', 'amended', 'corrected', true, null),
  ('clinical.imaging_results', 'amended', 'entered_in_error', true, null),
  ('clinical.imaging_results', 'corrected', 'entered_in_error', true, null)
on conflict (machine, from_state, to_state) do nothing;

-- written by operations
grant select on clinical.imaging_results to clinical_app;
grant update (document_id, row_version) on clinical.imaging_results to clinical_app;
grant select on clinical.imaging_results to clinical_ro;
