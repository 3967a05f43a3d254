-- abdm.care_contexts: milestone M2, a piece of a patient's record that can be linked to the ABHA: one visit or document,
-- with one HI type. What the network may show is reference and display: the display comes from a template, kind of record
-- and date, so it cannot name a diagnosis.

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
  constraint care_contexts_reference_key unique (tenant_id, hip_id, patient_reference, reference),
  constraint care_contexts_source_key unique (tenant_id, source_type, source_id, hi_type),
  constraint care_contexts_status_known check (
    status in ('pending', 'link_requested', 'failed', 'withdrawn', 'linked', 'notified', 'unlinked')
  ),
  constraint care_contexts_source_is_a_table check (source_type ~ '^[a-z_]+\.[a-z_]+$'),
  constraint care_contexts_display_at_most_80 check (length(display) between 1 and 80),
  constraint care_contexts_linked_to_an_account check (
    status not in ('linked', 'notified') or (linked_at is not null and abha_account_id is not null)
  ),
  constraint care_contexts_notified_has_time check (status <> 'notified' or notified_at is not null)
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
create index care_contexts_unlinked_idx on abdm.care_contexts (tenant_id, record_date)
  where status in ('pending', 'failed');

comment on table abdm.care_contexts is 'class=phi;scope=tenant;owner=fhir;fhir=Encounter,Composition;retention=medical_record;about=A visit or document of a patient that can be linked to the ABHA.';
comment on column abdm.care_contexts.patient_id is 'class=phi;about=The patient.';
comment on column abdm.care_contexts.abha_account_id is 'class=phi;about=The ABHA that it is linked to.';
comment on column abdm.care_contexts.encounter_id is 'class=phi;about=The visit or stay, where there is one.';
comment on column abdm.care_contexts.hip_id is 'class=operational;about=Network id of the site that gives the data.';
comment on column abdm.care_contexts.patient_reference is 'class=phi;about=What the network calls the patient: the patient''s id, which says nothing.';
comment on column abdm.care_contexts.reference is 'class=operational;about=What the network calls the context, unique at the site: the row''s own id.';
comment on column abdm.care_contexts.display is 'class=phi;about=What the patient reads, at most 80 characters, from the template in setting abdm.context_display.';
comment on column abdm.care_contexts.hi_type is 'class=phi;about=Kind of record: a code of value set urn:abdm:hi-types, such as DischargeSummary.';
comment on column abdm.care_contexts.source_type is 'class=operational;about=Table that holds the record, as schema.table.';
comment on column abdm.care_contexts.source_id is 'class=operational;about=Row of that table.';
comment on column abdm.care_contexts.bundle_logical_id is 'class=operational;about=The document bundle in fhir.resource_versions, once it was rendered.';
comment on column abdm.care_contexts.linked_at is 'class=operational;about=When the consent manager confirmed the link.';
comment on column abdm.care_contexts.link_transaction_id is 'class=operational;about=The exchange that linked it, or is about to.';
comment on column abdm.care_contexts.notified_at is 'class=operational;about=When the consent manager was told that there is new data.';
comment on column abdm.care_contexts.last_error is 'class=operational;about=Code of the last failure to link.';
comment on column abdm.care_contexts.record_date is 'class=phi;about=Day of the record, which the window of a consent is compared with.';
comment on column abdm.care_contexts.status is 'class=operational;about=pending, link_requested, linked, notified, failed, unlinked, or withdrawn for good.';
select core.comment_standard_columns('abdm.care_contexts');

alter table abdm.care_contexts enable row level security, force row level security;
create policy tenant_isolation on abdm.care_contexts
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger care_contexts_hi_type before insert or update of hi_type on abdm.care_contexts
  for each row execute function abdm.check_hi_types('hi_type');
create trigger care_contexts_touch before update on abdm.care_contexts
  for each row execute function core.update_updated_at_column('row_version');
create trigger care_contexts_transition before insert or update of status on abdm.care_contexts
  for each row execute function core.enforce_transition('abdm.care_contexts', 'status');
select audit.track('abdm.care_contexts');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('abdm.care_contexts', '', 'pending', false, null),
  ('abdm.care_contexts', 'pending', 'link_requested', false, null),
  ('abdm.care_contexts', 'pending', 'failed', false, null),
  ('abdm.care_contexts', 'pending', 'withdrawn', true, null),
  ('abdm.care_contexts', 'link_requested', 'linked', false, 'care_context.linked.v1'),
  ('abdm.care_contexts', 'link_requested', 'failed', false, null),
  ('abdm.care_contexts', 'linked', 'notified', false, null),
  ('abdm.care_contexts', 'linked', 'unlinked', true, null),
  ('abdm.care_contexts', 'notified', 'unlinked', true, null),
  ('abdm.care_contexts', 'failed', 'link_requested', false, null),
  ('abdm.care_contexts', 'failed', 'withdrawn', true, null),
  ('abdm.care_contexts', 'unlinked', 'link_requested', false, null),
  ('abdm.care_contexts', 'unlinked', 'withdrawn', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on abdm.care_contexts to fhir_app;
grant select on abdm.care_contexts to fhir_ro;
