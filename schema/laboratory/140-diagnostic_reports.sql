-- laboratory.diagnostic_reports: the issued report of an order. A partial report grows into the final one; a final one is
-- never changed (IM311): an amendment or correction is a new version that names the version before it and why.
-- One version of an order's report is current (unique index).

create table laboratory.diagnostic_reports (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  report_number text not null,
  order_id uuid not null,
  patient_id uuid not null,
  version integer not null default 1,
  issued_at timestamptz,
  signed_by uuid,
  signed_at timestamptz,
  conclusion_enc bytea,
  result_ids uuid[] not null default '{}',
  exceptions text[] not null default '{}',
  interim boolean not null default false,
  is_current boolean not null default true,
  amends_id uuid,
  amendment_reason text,
  document_id uuid,
  delivered jsonb not null default '{}',
  status text not null default 'registered',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint diagnostic_reports_pkey primary key (tenant_id, id),
  constraint diagnostic_reports_number_key unique (tenant_id, report_number, version),
  constraint diagnostic_reports_status_check check (
    status in ('registered', 'partial', 'final', 'cancelled', 'amended', 'corrected', 'entered_in_error')
  ),
  constraint diagnostic_reports_signed check (
    status not in ('final', 'amended', 'corrected') or (signed_by is not null and issued_at is not null)
  ),
  constraint diagnostic_reports_amended_with_reason check (
    version = 1 or (amends_id is not null and amendment_reason is not null)
  )
);

alter table laboratory.diagnostic_reports add constraint diagnostic_reports_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table laboratory.diagnostic_reports add constraint diagnostic_reports_order_fkey
  foreign key (tenant_id, order_id) references laboratory.lab_orders (tenant_id, id);
alter table laboratory.diagnostic_reports add constraint diagnostic_reports_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table laboratory.diagnostic_reports add constraint diagnostic_reports_signed_by_fkey
  foreign key (tenant_id, signed_by) references workforce.staff (tenant_id, id);
alter table laboratory.diagnostic_reports add constraint diagnostic_reports_amends_fkey
  foreign key (tenant_id, amends_id) references laboratory.diagnostic_reports (tenant_id, id);
alter table laboratory.diagnostic_reports add constraint diagnostic_reports_document_fkey
  foreign key (tenant_id, document_id) references ehr.documents (tenant_id, id);

create unique index diagnostic_reports_one_current on laboratory.diagnostic_reports (tenant_id, order_id) where is_current;
create index diagnostic_reports_order_idx on laboratory.diagnostic_reports (tenant_id, order_id);
create index diagnostic_reports_patient_idx on laboratory.diagnostic_reports (tenant_id, patient_id);
create index diagnostic_reports_signed_by_idx on laboratory.diagnostic_reports (tenant_id, signed_by)
  where signed_by is not null;
create unique index diagnostic_reports_amended_once on laboratory.diagnostic_reports (tenant_id, amends_id)
  where amends_id is not null;
create index diagnostic_reports_document_idx on laboratory.diagnostic_reports (tenant_id, document_id)
  where document_id is not null;

comment on table laboratory.diagnostic_reports is 'class=phi;scope=tenant;owner=lab;fhir=DiagnosticReport (lab);retention=medical_record;about=The issued laboratory report.';
comment on column laboratory.diagnostic_reports.report_number is 'class=phi;about=Number for people; versions share it.';
comment on column laboratory.diagnostic_reports.order_id is 'class=phi;about=The order.';
comment on column laboratory.diagnostic_reports.patient_id is 'class=phi;about=The patient.';
comment on column laboratory.diagnostic_reports.version is 'class=phi;about=Counts the versions.';
comment on column laboratory.diagnostic_reports.issued_at is 'class=phi;about=When it was issued.';
comment on column laboratory.diagnostic_reports.signed_by is 'class=operational;about=Who signed it.';
comment on column laboratory.diagnostic_reports.signed_at is 'class=phi;about=When it was signed.';
comment on column laboratory.diagnostic_reports.conclusion_enc is 'class=phi;enc=1;about=Conclusion, encrypted by the application.';
comment on column laboratory.diagnostic_reports.result_ids is 'class=phi;about=The results that it states, in print order.';
comment on column laboratory.diagnostic_reports.exceptions is 'class=phi;about=Why compromised samples were accepted, as stated on the report (ISO 15189, 7.2.6.2).';
comment on column laboratory.diagnostic_reports.is_current is 'class=phi;about=Whether this is the newest version.';
comment on column laboratory.diagnostic_reports.interim is 'class=phi;about=Whether results are still to come.';
comment on column laboratory.diagnostic_reports.amends_id is 'class=phi;about=The version that this one replaces.';
comment on column laboratory.diagnostic_reports.amendment_reason is 'class=phi;about=Why it replaces it; printed.';
comment on column laboratory.diagnostic_reports.document_id is 'class=phi;about=The stored document.';
comment on column laboratory.diagnostic_reports.delivered is 'class=phi;about=When it went where: {"portal": .., "abdm": ..}.';
comment on column laboratory.diagnostic_reports.status is 'class=phi;about=registered, partial, final, amended, corrected; cancelled, entered_in_error.';
select core.comment_standard_columns('laboratory.diagnostic_reports');

alter table laboratory.diagnostic_reports enable row level security, force row level security;
create policy tenant_isolation on laboratory.diagnostic_reports
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger diagnostic_reports_touch before update on laboratory.diagnostic_reports
  for each row execute function core.update_updated_at_column('row_version');
create trigger diagnostic_reports_transition before insert or update of status on laboratory.diagnostic_reports
  for each row execute function core.enforce_transition('laboratory.diagnostic_reports', 'status');
create trigger diagnostic_reports_first_state after insert on laboratory.diagnostic_reports
  for each row execute function core.announce_first_state('laboratory.diagnostic_reports');
create trigger diagnostic_reports_final_stays before update on laboratory.diagnostic_reports
  for each row execute function laboratory.keep_issued_report();
select audit.track('laboratory.diagnostic_reports');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('laboratory.diagnostic_reports', '', 'registered', false, null),
  -- a report is issued as it is made; a later version begins as what it is
  ('laboratory.diagnostic_reports', '', 'partial', false, 'report.issued.v1'),
  ('laboratory.diagnostic_reports', '', 'final', false, 'report.issued.v1'),
  ('laboratory.diagnostic_reports', '', 'amended', false, 'report.issued.v1'),
  ('laboratory.diagnostic_reports', '', 'corrected', false, 'report.issued.v1'),
  ('laboratory.diagnostic_reports', 'registered', 'partial', false, 'report.issued.v1'),
  ('laboratory.diagnostic_reports', 'registered', 'final', false, 'report.issued.v1'),
  ('laboratory.diagnostic_reports', 'registered', 'cancelled', false, null),
  ('laboratory.diagnostic_reports', 'partial', 'final', false, 'report.issued.v1'),
  ('laboratory.diagnostic_reports', 'partial', 'cancelled', false, null),
  ('laboratory.diagnostic_reports', 'final', 'entered_in_error', true, null),
  ('laboratory.diagnostic_reports', 'amended', 'entered_in_error', true, null),
  ('laboratory.diagnostic_reports', 'corrected', 'entered_in_error', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on laboratory.diagnostic_reports to lab_app;
grant update (document_id, delivered, row_version) on laboratory.diagnostic_reports to lab_app;
grant select on laboratory.diagnostic_reports to lab_ro;
