-- abdm.care_contexts: M2: a linkable episode or document set of a patient.
-- RULE to build: display comes from a template without diagnosis text

create table abdm.care_contexts (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  patient_id uuid not null,
  abha_account_id uuid,
  encounter_id uuid,
  hip_id text not null,
  patient_reference text not null,
  reference text not null,
  display text not null,
  hi_type text not null,
  source_type text not null,
  source_id uuid not null,
  bundle_logical_id uuid,
  linked_at timestamptz,
  link_transaction_id uuid,
  notified_at timestamptz,
  last_error text,
  record_date date not null,
  status text not null default 'pending',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint care_contexts_pkey primary key (tenant_id, id),
  constraint care_contexts_hip_patient_reference_key unique (tenant_id, hip_id, patient_reference, reference),
  constraint care_contexts_source_type_source_key unique (tenant_id, source_type, source_id, hi_type),
  constraint care_contexts_hi_type_check check (
    hi_type in ('OPConsultation', 'DiagnosticReport', 'DischargeSummary', 'Prescription', 'ImmunizationRecord', 'HealthDocumentRecord', 'WellnessRecord', 'Invoice')
  ),
  constraint care_contexts_status_check check (
    status in ('pending', 'link_requested', 'failed', 'withdrawn', 'linked', 'notified', 'unlinked')
  ),
  constraint care_contexts_length_rule check (length(display) <= 80),
  constraint care_contexts_status_rule check (
    status not in ('linked', 'notified') or (linked_at is not null and abha_account_id is not null)
  )
);

alter table abdm.care_contexts add constraint care_contexts_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table abdm.care_contexts add constraint care_contexts_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table abdm.care_contexts add constraint care_contexts_abha_account_fkey
  foreign key (tenant_id, abha_account_id) references abdm.abha_accounts (tenant_id, id);
alter table abdm.care_contexts add constraint care_contexts_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table abdm.care_contexts add constraint care_contexts_link_transaction_fkey
  foreign key (tenant_id, link_transaction_id) references abdm.linking_transactions (tenant_id, id);

create index care_contexts_patient_idx on abdm.care_contexts (tenant_id, patient_id);
create index care_contexts_abha_account_idx on abdm.care_contexts (tenant_id, abha_account_id)
  where abha_account_id is not null;
create index care_contexts_encounter_idx on abdm.care_contexts (tenant_id, encounter_id)
  where encounter_id is not null;
create index care_contexts_link_transaction_idx on abdm.care_contexts (tenant_id, link_transaction_id)
  where link_transaction_id is not null;

comment on table abdm.care_contexts is 'class=phi;scope=tenant;owner=fhir;fhir=Encounter,Composition;retention=medical_record;about=M2: a linkable episode or document set of a patient.';
comment on column abdm.care_contexts.patient_id is 'class=phi;about=The patient.';
comment on column abdm.care_contexts.abha_account_id is 'class=phi;about=?';
comment on column abdm.care_contexts.encounter_id is 'class=phi;about=The encounter that it belongs to.';
comment on column abdm.care_contexts.hip_id is 'class=phi;about=?';
comment on column abdm.care_contexts.patient_reference is 'class=phi;about=?';
comment on column abdm.care_contexts.reference is 'class=phi;about=?';
comment on column abdm.care_contexts.display is 'class=phi;about=?';
comment on column abdm.care_contexts.hi_type is 'class=phi;about=?';
comment on column abdm.care_contexts.source_type is 'class=phi;about=?';
comment on column abdm.care_contexts.source_id is 'class=phi;about=?';
comment on column abdm.care_contexts.bundle_logical_id is 'class=phi;about=?';
comment on column abdm.care_contexts.linked_at is 'class=phi;about=?';
comment on column abdm.care_contexts.link_transaction_id is 'class=phi;about=?';
comment on column abdm.care_contexts.notified_at is 'class=phi;about=?';
comment on column abdm.care_contexts.last_error is 'class=phi;about=?';
comment on column abdm.care_contexts.record_date is 'class=phi;about=?';
comment on column abdm.care_contexts.status is 'class=phi;about=?';
select core.comment_standard_columns('abdm.care_contexts');

alter table abdm.care_contexts enable row level security;
alter table abdm.care_contexts force row level security;
create policy tenant_isolation on abdm.care_contexts
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger care_contexts_touch before update on abdm.care_contexts
  for each row execute function core.update_updated_at_column('row_version');
create trigger care_contexts_transition before insert or update of status on abdm.care_contexts
  for each row execute function core.enforce_transition('abdm.care_contexts', 'status');
select audit.track('abdm.care_contexts');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('abdm.care_contexts', '', 'pending', false, null),
  ('abdm.care_contexts', 'pending', 'link_requested', false, null),
  ('abdm.care_contexts', 'pending', 'failed', false, null),
  ('abdm.care_contexts', 'pending', 'withdrawn', false, null),
  ('abdm.care_contexts', 'link_requested', 'linked', false, null),
  ('abdm.care_contexts', 'link_requested', 'failed', false, null),
  ('abdm.care_contexts', 'linked', 'notified', false, null),
  ('abdm.care_contexts', 'linked', 'unlinked', false, null),
  ('abdm.care_contexts', 'notified', 'unlinked', false, null),
  ('abdm.care_contexts', 'failed', 'link_requested', false, null),
  ('abdm.care_contexts', 'failed', 'withdrawn', false, null),
  ('abdm.care_contexts', 'unlinked', 'link_requested', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on abdm.care_contexts to fhir_app;
grant select on abdm.care_contexts to fhir_ro;
