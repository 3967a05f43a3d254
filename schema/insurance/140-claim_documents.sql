-- insurance.claim_documents: Papers attached to a pre-auth or claim, tied to the criterion that asked for them.

create table insurance.claim_documents (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  claim_id uuid not null,
  case_id uuid,
  seq smallint not null,
  category_code text not null,
  code text not null,
  criterion_id uuid,
  document_id uuid,
  questionnaire_response jsonb,
  filename text not null,
  sha256 bytea not null,
  captured_at timestamptz,
  geo point,
  accepted boolean,
  reject_reason text,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint claim_documents_pkey primary key (tenant_id, id),
  constraint claim_documents_claim_seq_key unique (tenant_id, claim_id, seq),
  constraint claim_documents_case_filename_key unique (tenant_id, case_id, filename),
  constraint claim_documents_claim_sha256_key unique (tenant_id, claim_id, sha256),
  constraint claim_documents_num_nonnulls_rule check (num_nonnulls(document_id,questionnaire_response) = 1)
);

alter table insurance.claim_documents add constraint claim_documents_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table insurance.claim_documents add constraint claim_documents_claim_fkey
  foreign key (tenant_id, claim_id) references insurance.insurance_claims (tenant_id, id);
alter table insurance.claim_documents add constraint claim_documents_case_fkey
  foreign key (tenant_id, case_id) references insurance.pmjay_cases (tenant_id, id);
alter table insurance.claim_documents add constraint claim_documents_criterion_fkey
  foreign key (criterion_id) references clinical.stg_criteria (id);
alter table insurance.claim_documents add constraint claim_documents_document_fkey
  foreign key (tenant_id, document_id) references ehr.documents (tenant_id, id);

create index claim_documents_criterion_idx on insurance.claim_documents (criterion_id, tenant_id)
  where criterion_id is not null;
comment on index insurance.claim_documents_criterion_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index claim_documents_document_idx on insurance.claim_documents (tenant_id, document_id)
  where document_id is not null;

comment on table insurance.claim_documents is 'class=phi;scope=tenant;owner=billing;fhir=Claim.supportingInfo;retention=medical_record;about=Papers attached to a pre-auth or claim, tied to the criterion that asked for them.';
comment on column insurance.claim_documents.claim_id is 'class=phi;about=?';
comment on column insurance.claim_documents.case_id is 'class=phi;about=?';
comment on column insurance.claim_documents.seq is 'class=phi;about=?';
comment on column insurance.claim_documents.category_code is 'class=phi;about=?';
comment on column insurance.claim_documents.code is 'class=phi;about=?';
comment on column insurance.claim_documents.criterion_id is 'class=phi;about=?';
comment on column insurance.claim_documents.document_id is 'class=phi;about=The stored document.';
comment on column insurance.claim_documents.questionnaire_response is 'class=phi;about=?';
comment on column insurance.claim_documents.filename is 'class=phi;about=?';
comment on column insurance.claim_documents.sha256 is 'class=phi;about=?';
comment on column insurance.claim_documents.captured_at is 'class=phi;about=?';
comment on column insurance.claim_documents.geo is 'class=phi;about=?';
comment on column insurance.claim_documents.accepted is 'class=phi;about=?';
comment on column insurance.claim_documents.reject_reason is 'class=phi;about=?';
select core.comment_standard_columns('insurance.claim_documents');

alter table insurance.claim_documents enable row level security;
alter table insurance.claim_documents force row level security;
create policy tenant_isolation on insurance.claim_documents
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger claim_documents_touch before update on insurance.claim_documents
  for each row execute function core.update_updated_at_column('row_version');
create trigger claim_documents_criterion_visible before insert or update of criterion_id on insurance.claim_documents
  for each row execute function core.check_shared_reference('criterion_id', 'clinical.stg_criteria');
select audit.track('insurance.claim_documents');

grant select, insert, update on insurance.claim_documents to billing_app;
grant select on insurance.claim_documents to billing_ro;
