-- ehr.document_signatures: Electronic signatures over documents or signed rows.

create table ehr.document_signatures (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  document_id uuid,
  subject_type text,
  subject_id uuid,
  signer_user_id uuid not null,
  signer_role text not null,
  meaning text not null,
  method text not null,
  digest bytea not null,
  signature bytea,
  certificate_ref text,
  signed_at timestamptz not null,
  ip inet,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint document_signatures_pkey primary key (tenant_id, id),
  constraint document_signatures_meaning_check check (
    meaning in ('author', 'verify', 'approve', 'witness', 'consent', 'receive')
  ),
  constraint document_signatures_method_check check (
    method in ('password_reauth', 'totp', 'aadhaar_esign', 'dsc', 'drawn', 'biometric')
  ),
  constraint document_signatures_num_nonnulls_rule check (num_nonnulls(document_id,subject_id) = 1),
  constraint document_signatures_octet_length_rule check (octet_length(digest) = 32)
);

alter table ehr.document_signatures add constraint document_signatures_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table ehr.document_signatures add constraint document_signatures_document_fkey
  foreign key (tenant_id, document_id) references ehr.documents (tenant_id, id);
alter table ehr.document_signatures add constraint document_signatures_signer_user_fkey
  foreign key (tenant_id, signer_user_id) references auth.users (tenant_id, id);

create unique index document_signatures_document_signer_user_key on ehr.document_signatures (tenant_id, document_id, signer_user_id, meaning)
  where document_id is not null;
create index document_signatures_document_idx on ehr.document_signatures (tenant_id, document_id)
  where document_id is not null;
create index document_signatures_signer_user_idx on ehr.document_signatures (tenant_id, signer_user_id);

comment on table ehr.document_signatures is 'class=phi;scope=tenant;owner=ehr;fhir=Provenance.signature;retention=medical_record;append_only=1;about=Electronic signatures over documents or signed rows.';
comment on column ehr.document_signatures.document_id is 'class=phi;about=The stored document.';
comment on column ehr.document_signatures.subject_type is 'class=phi;about=?';
comment on column ehr.document_signatures.subject_id is 'class=phi;about=?';
comment on column ehr.document_signatures.signer_user_id is 'class=phi;about=?';
comment on column ehr.document_signatures.signer_role is 'class=phi;about=?';
comment on column ehr.document_signatures.meaning is 'class=phi;about=?';
comment on column ehr.document_signatures.method is 'class=phi;about=?';
comment on column ehr.document_signatures.digest is 'class=phi;about=?';
comment on column ehr.document_signatures.signature is 'class=phi;about=?';
comment on column ehr.document_signatures.certificate_ref is 'class=phi;about=?';
comment on column ehr.document_signatures.signed_at is 'class=phi;about=?';
comment on column ehr.document_signatures.ip is 'class=phi;about=?';
select core.comment_standard_columns('ehr.document_signatures');

alter table ehr.document_signatures enable row level security;
alter table ehr.document_signatures force row level security;
create policy tenant_isolation on ehr.document_signatures
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger document_signatures_append_only before update or delete on ehr.document_signatures
  for each row execute function core.refuse_change();
create trigger document_signatures_no_truncate before truncate on ehr.document_signatures
  for each statement execute function core.refuse_change();
select audit.track('ehr.document_signatures');

grant select, insert on ehr.document_signatures to ehr_app;
grant select on ehr.document_signatures to ehr_ro;
