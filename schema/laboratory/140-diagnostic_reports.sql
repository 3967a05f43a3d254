-- laboratory.diagnostic_reports: The issued laboratory report.

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
  interim boolean not null default false,
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
  constraint diagnostic_reports_report_number_version_key unique (tenant_id, report_number, version),
  constraint diagnostic_reports_status_check check (
    status in ('registered', 'partial', 'final', 'cancelled', 'amended', 'corrected', 'entered_in_error')
  ),
  constraint diagnostic_reports_status_rule check (
    status not in ('final', 'amended', 'corrected') or (signed_by is not null and issued_at is not null)
  ),
  constraint diagnostic_reports_version_rule check (
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

create index diagnostic_reports_order_idx on laboratory.diagnostic_reports (tenant_id, order_id);
create index diagnostic_reports_patient_idx on laboratory.diagnostic_reports (tenant_id, patient_id);
create index diagnostic_reports_signed_by_idx on laboratory.diagnostic_reports (tenant_id, signed_by)
  where signed_by is not null;
create index diagnostic_reports_amends_idx on laboratory.diagnostic_reports (tenant_id, amends_id)
  where amends_id is not null;
create index diagnostic_reports_document_idx on laboratory.diagnostic_reports (tenant_id, document_id)
  where document_id is not null;

comment on table laboratory.diagnostic_reports is 'class=phi;scope=tenant;owner=lab;fhir=DiagnosticReport (lab);retention=medical_record;about=The issued laboratory report.';
comment on column laboratory.diagnostic_reports.report_number is 'class=phi;about=?';
comment on column laboratory.diagnostic_reports.order_id is 'class=phi;about=?';
comment on column laboratory.diagnostic_reports.patient_id is 'class=phi;about=The patient.';
comment on column laboratory.diagnostic_reports.version is 'class=phi;about=?';
comment on column laboratory.diagnostic_reports.issued_at is 'class=phi;about=?';
comment on column laboratory.diagnostic_reports.signed_by is 'class=phi;about=?';
comment on column laboratory.diagnostic_reports.signed_at is 'class=phi;about=?';
comment on column laboratory.diagnostic_reports.conclusion_enc is 'class=phi;enc=1;about=?';
comment on column laboratory.diagnostic_reports.result_ids is 'class=phi;about=?';
comment on column laboratory.diagnostic_reports.interim is 'class=phi;about=?';
comment on column laboratory.diagnostic_reports.amends_id is 'class=phi;about=?';
comment on column laboratory.diagnostic_reports.amendment_reason is 'class=phi;about=?';
comment on column laboratory.diagnostic_reports.document_id is 'class=phi;about=The stored document.';
comment on column laboratory.diagnostic_reports.delivered is 'class=phi;about=?';
comment on column laboratory.diagnostic_reports.status is 'class=phi;about=?';
select core.comment_standard_columns('laboratory.diagnostic_reports');

alter table laboratory.diagnostic_reports enable row level security;
alter table laboratory.diagnostic_reports force row level security;
create policy tenant_isolation on laboratory.diagnostic_reports
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger diagnostic_reports_touch before update on laboratory.diagnostic_reports
  for each row execute function core.update_updated_at_column('row_version');
create trigger diagnostic_reports_transition before insert or update of status on laboratory.diagnostic_reports
  for each row execute function core.enforce_transition('laboratory.diagnostic_reports', 'status');
select audit.track('laboratory.diagnostic_reports');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('laboratory.diagnostic_reports', '', 'registered', false, null),
  ('laboratory.diagnostic_reports', 'registered', 'partial', false, null),
  ('laboratory.diagnostic_reports', 'registered', 'final', false, null),
  ('laboratory.diagnostic_reports', 'registered', 'cancelled', false, null),
  ('laboratory.diagnostic_reports', 'partial', 'final', false, null),
  ('laboratory.diagnostic_reports', 'partial', 'cancelled', false, null),
  ('laboratory.diagnostic_reports', 'final', 'amended', false, null),
  ('laboratory.diagnostic_reports', 'final', 'corrected', false, null),
  ('laboratory.diagnostic_reports', 'final', 'entered_in_error', false, null),
  ('laboratory.diagnostic_reports', 'amended', 'corrected', false, null),
  ('laboratory.diagnostic_reports', 'corrected', 'amended', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on laboratory.diagnostic_reports to lab_app;
grant select on laboratory.diagnostic_reports to lab_ro;
