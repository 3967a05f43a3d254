-- Signing. The signer is who is signed in; what is signed is named by its digest, so nobody signs something that changed
-- while they read it.

create function ehr.require_signer() returns uuid
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if core.current_user_id() is null then
    raise exception 'nobody is signed in, so nobody can sign'
      using errcode = 'IM006', hint = 'pass the user to core.begin_request';
  end if;
  return core.current_user_id();
end
$$;

comment on function ehr.require_signer() is 'about=The signed-in user; IM006 for a system task.';

create function ehr.sign_document(
  p_document_id uuid,
  p_digest bytea,
  p_meaning text default 'author',
  p_method text default 'password_reauth',
  p_signature bytea default null,
  p_certificate_ref text default null
) returns ehr.document_signatures
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_signer uuid := ehr.require_signer();
  v_document ehr.documents := ehr.lock_document(p_document_id);
  v_signature ehr.document_signatures;
begin
  if v_document.status not in ('preliminary', 'current') then
    raise exception 'document % is % and takes no signatures', p_document_id, v_document.status
      using errcode = 'IM001', hint = 'sign its current version';
  end if;
  if p_digest is distinct from v_document.sha256 then
    raise exception 'what was signed is not the content of document %', p_document_id
      using errcode = 'IM004', hint = 'show the document again and sign the digest of what is shown';
  end if;
  insert into ehr.document_signatures as s (
    tenant_id, document_id, signer_user_id, signer_role, meaning, method, digest, signature, certificate_ref, ip
  )
  values (
    v_tenant, p_document_id, v_signer, coalesce(core.current_role_name(), 'unknown'), p_meaning, p_method, p_digest,
    p_signature, p_certificate_ref, nullif(pg_catalog.current_setting('app.ip', true), '')::inet
  )
  on conflict do nothing
  returning s.* into v_signature;
  if not found then
    select s.* into v_signature
    from ehr.document_signatures s
    where
      s.tenant_id = v_tenant and s.document_id = p_document_id and s.signer_user_id = v_signer and s.meaning = p_meaning;
  end if;
  return v_signature;
end
$$;

comment on function ehr.sign_document(uuid, bytea, text, text, bytea, text) is 'about=Signs the content of a document as the signed-in user: p_digest is the SHA-256 that the signer saw. Signing again with the same meaning returns the first signature. IM001 the document is superseded or gone, IM004 the digest is another one, IM005 no such document, IM006 nobody signed in.';

create function ehr.sign_record(
  p_subject_type text,
  p_subject_id uuid,
  p_digest bytea,
  p_meaning text default 'author',
  p_method text default 'password_reauth',
  p_signature bytea default null,
  p_certificate_ref text default null
) returns ehr.document_signatures
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_signer uuid := ehr.require_signer();
  v_signature ehr.document_signatures;
begin
  insert into ehr.document_signatures as s (
    tenant_id, subject_type, subject_id, signer_user_id, signer_role, meaning, method, digest, signature,
    certificate_ref, ip
  )
  values (
    v_tenant, p_subject_type, p_subject_id, v_signer, coalesce(core.current_role_name(), 'unknown'), p_meaning, p_method,
    p_digest, p_signature, p_certificate_ref, nullif(pg_catalog.current_setting('app.ip', true), '')::inet
  )
  on conflict do nothing
  returning s.* into v_signature;
  if not found then
    select s.* into v_signature
    from ehr.document_signatures s
    where
      s.tenant_id = v_tenant and s.subject_type = p_subject_type and s.subject_id = p_subject_id
      and s.signer_user_id = v_signer and s.meaning = p_meaning and s.digest = p_digest;
  end if;
  return v_signature;
end
$$;

comment on function ehr.sign_record(text, uuid, bytea, text, text, bytea, text) is 'about=Signs a row of another table as the signed-in user; operations of that table compute the digest of what is signed. The same digest and meaning again return the first signature. IM006 nobody signed in.';
