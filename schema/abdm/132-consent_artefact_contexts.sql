-- abdm.consent_artefact_contexts: the care contexts that an artefact lists. What is not here does not move (IM713).

create table abdm.consent_artefact_contexts (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  artefact_row_id uuid not null,
  patient_reference text not null,
  care_context_reference text not null,
  care_context_id uuid,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint consent_artefact_contexts_pkey primary key (tenant_id, id),
  constraint consent_artefact_contexts_reference_key unique (tenant_id, artefact_row_id, care_context_reference)
);

alter table abdm.consent_artefact_contexts add constraint consent_artefact_contexts_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table abdm.consent_artefact_contexts add constraint consent_artefact_contexts_artefact_row_fkey
  foreign key (tenant_id, artefact_row_id) references abdm.consent_artefacts (tenant_id, id);
alter table abdm.consent_artefact_contexts add constraint consent_artefact_contexts_care_context_fkey
  foreign key (tenant_id, care_context_id) references abdm.care_contexts (tenant_id, id);

create index consent_artefact_contexts_care_context_idx on abdm.consent_artefact_contexts (tenant_id, care_context_id)
  where care_context_id is not null;

comment on table abdm.consent_artefact_contexts is 'class=phi;scope=tenant;owner=fhir;fhir=Consent;retention=medical_record;append_only=1;about=Care contexts that an artefact lists.';
comment on column abdm.consent_artefact_contexts.artefact_row_id is 'class=operational;about=The artefact.';
comment on column abdm.consent_artefact_contexts.patient_reference is 'class=phi;about=What the giving site calls the patient.';
comment on column abdm.consent_artefact_contexts.care_context_reference is 'class=phi;about=What the giving site calls the context.';
comment on column abdm.consent_artefact_contexts.care_context_id is 'class=phi;about=Our context of that reference, when we are the site that gives.';
select core.comment_standard_columns('abdm.consent_artefact_contexts');

alter table abdm.consent_artefact_contexts enable row level security, force row level security;
create policy tenant_isolation on abdm.consent_artefact_contexts
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger consent_artefact_contexts_append_only before update or delete on abdm.consent_artefact_contexts
  for each row execute function core.refuse_change();
create trigger consent_artefact_contexts_no_truncate before truncate on abdm.consent_artefact_contexts
  for each statement execute function core.refuse_change();
select audit.track('abdm.consent_artefact_contexts');

grant select on abdm.consent_artefact_contexts to fhir_app;
grant select on abdm.consent_artefact_contexts to fhir_ro;
