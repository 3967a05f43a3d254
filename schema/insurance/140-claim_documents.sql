-- insurance.claim_documents: papers and answers attached to a submission, tied to the criterion that asked for them.
--
-- The scheme refuses a second file of the same name in a case, and the same content is attached once to a submission.

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
  latitude numeric(9, 6),
  longitude numeric(9, 6),
  accepted boolean,
  reject_reason text,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint claim_documents_pkey primary key (tenant_id, id),
  constraint claim_documents_no_nan check (latitude <> 'NaN' and longitude <> 'NaN'),
  constraint claim_documents_seq_once unique (tenant_id, claim_id, seq),
  constraint claim_documents_filename_once_per_case unique (tenant_id, case_id, filename),
  constraint claim_documents_content_once unique (tenant_id, claim_id, sha256),
  constraint claim_documents_place_is_on_earth check (
    num_nonnulls(latitude, longitude) in (0, 2) and latitude between -90 and 90 and longitude between -180 and 180
  ),
  constraint claim_documents_hash_is_sha256 check (octet_length(sha256) = 32),
  constraint claim_documents_refusal_has_reason check (accepted is not false or reject_reason is not null),
  constraint claim_documents_paper_or_answer check (num_nonnulls(document_id, questionnaire_response) = 1)
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
comment on column insurance.claim_documents.claim_id is 'class=operational;about=The submission that it is attached to.';
comment on column insurance.claim_documents.case_id is 'class=operational;about=Its case: a file name may be used once in a case.';
comment on column insurance.claim_documents.seq is 'class=operational;about=Number of the paper, from 1.';
comment on column insurance.claim_documents.category_code is 'class=phi;about=FHIR Claim.supportingInfo.category, such as attachment or onset.';
comment on column insurance.claim_documents.code is 'class=phi;about=What the paper is, in the payer''s or guideline''s words.';
comment on column insurance.claim_documents.criterion_id is 'class=operational;about=The criterion of the guideline that asked for it.';
comment on column insurance.claim_documents.document_id is 'class=operational;about=The stored document.';
comment on column insurance.claim_documents.questionnaire_response is 'class=phi;about=The answers, where a question was asked instead of a paper.';
comment on column insurance.claim_documents.filename is 'class=phi;about=Name that the payer sees, without anything about the patient.';
comment on column insurance.claim_documents.sha256 is 'class=operational;about=SHA-256 of the content; the same content is attached once.';
comment on column insurance.claim_documents.captured_at is 'class=phi;about=When the photograph or scan was taken.';
comment on column insurance.claim_documents.latitude is 'class=phi;about=Where it was taken, as some payers ask: degrees north.';
comment on column insurance.claim_documents.longitude is 'class=phi;about=Degrees east.';
comment on column insurance.claim_documents.accepted is 'class=operational;about=True: reviewed and good; false: refused, see reject_reason; null: not reviewed.';
comment on column insurance.claim_documents.reject_reason is 'class=phi;about=Why it was refused.';
select core.comment_standard_columns('insurance.claim_documents');

alter table insurance.claim_documents enable row level security, force row level security;
create policy tenant_isolation on insurance.claim_documents
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger claim_documents_touch before update on insurance.claim_documents
  for each row execute function core.update_updated_at_column('row_version');
create trigger claim_documents_criterion_visible before insert or update of criterion_id on insurance.claim_documents
  for each row execute function core.check_shared_reference('criterion_id', 'clinical.stg_criteria');
create trigger claim_documents_filename before insert or update of filename on insurance.claim_documents
  for each row execute function core.reject_aadhaar_like('filename');
select audit.track('insurance.claim_documents');

-- written by operations only
grant select on insurance.claim_documents to billing_app, billing_ro;
