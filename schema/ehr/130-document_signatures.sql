-- Electronic signatures over a stored document, or over a row of another table (a prescription, a report). A signature
-- names the digest that was signed: the hash of the document, or of the row's canonical text. It is never changed; a
-- new version of the document needs new signatures.

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
  signed_at timestamptz not null default now(),
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
  constraint document_signatures_document_or_row check (num_nonnulls(document_id, subject_id) = 1),
  constraint document_signatures_row_is_typed check ((subject_type is null) = (subject_id is null)),
  constraint document_signatures_subject_type_format check (subject_type ~ '^[a-z_]+\.[a-z_]+$'),
  constraint document_signatures_digest_is_32_bytes check (octet_length(digest) = 32),
  constraint document_signatures_certificate_carries_bytes check (
    method not in ('aadhaar_esign', 'dsc') or (signature is not null and certificate_ref is not null)
  )
);

alter table ehr.document_signatures add constraint document_signatures_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table ehr.document_signatures add constraint document_signatures_document_fkey
  foreign key (tenant_id, document_id) references ehr.documents (tenant_id, id);
alter table ehr.document_signatures add constraint document_signatures_signer_user_fkey
  foreign key (tenant_id, signer_user_id) references auth.users (tenant_id, id);

create unique index document_signatures_once_a_document
  on ehr.document_signatures (tenant_id, document_id, signer_user_id, meaning)
  where document_id is not null;
create unique index document_signatures_once_a_row
  on ehr.document_signatures (tenant_id, subject_id, subject_type, signer_user_id, meaning, digest)
  where subject_id is not null;
create index document_signatures_signer_user_idx on ehr.document_signatures (tenant_id, signer_user_id, signed_at);

comment on table ehr.document_signatures is 'class=phi;scope=tenant;owner=ehr;fhir=Provenance.signature;retention=medical_record;append_only=1;about=Electronic signatures over documents or signed rows.';
comment on column ehr.document_signatures.document_id is 'class=phi;about=The signed document version; null when a row was signed.';
comment on column ehr.document_signatures.subject_type is 'class=phi;about=Table of the signed row, such as medication.prescriptions.';
comment on column ehr.document_signatures.subject_id is 'class=phi;about=The signed row.';
comment on column ehr.document_signatures.signer_user_id is 'class=operational;about=User who signed, always the one who is signed in.';
comment on column ehr.document_signatures.signer_role is 'class=operational;about=Hospital role that the signer acted in.';
comment on column ehr.document_signatures.meaning is 'class=operational;about=author, verify, approve, witness, consent or receive.';
comment on column ehr.document_signatures.method is 'class=operational;about=How the signer proved who they are: password_reauth, totp, aadhaar_esign, dsc (digital signature certificate), drawn or biometric.';
comment on column ehr.document_signatures.digest is 'class=phi;about=SHA-256 of what was signed.';
comment on column ehr.document_signatures.signature is 'class=operational;about=Signature bytes of a certificate or a drawn signature; null where re-authentication is the signature.';
comment on column ehr.document_signatures.certificate_ref is 'class=operational;about=Serial number of the certificate or reference of the signing service; never a national number.';
comment on column ehr.document_signatures.signed_at is 'class=operational;about=When it was signed.';
comment on column ehr.document_signatures.ip is 'class=pii;about=Address that the signer worked from.';
select core.comment_standard_columns('ehr.document_signatures');

alter table ehr.document_signatures enable row level security, force row level security;
create policy tenant_isolation on ehr.document_signatures
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger document_signatures_no_aadhaar before insert on ehr.document_signatures
  for each row execute function core.reject_aadhaar_like('certificate_ref');
create trigger document_signatures_append_only before update or delete on ehr.document_signatures
  for each row execute function core.refuse_change();
create trigger document_signatures_no_truncate before truncate on ehr.document_signatures
  for each statement execute function core.refuse_change();
select audit.track('ehr.document_signatures');

-- only ehr.sign_document and ehr.sign_record write: the signer is the session's user, the digest is checked
grant select on ehr.document_signatures to ehr_app, ehr_ro;
