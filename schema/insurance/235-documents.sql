-- Papers of a submission, and the review of them before it leaves.

create function insurance.attach_document(
  p_claim_id uuid,
  p_category_code text,
  p_code text,
  p_filename text,
  p_sha256 bytea,
  p_document_id uuid default null,
  p_questionnaire_response jsonb default null,
  p_criterion_id uuid default null,
  p_captured_at timestamptz default null,
  p_latitude numeric default null,
  p_longitude numeric default null
) returns insurance.claim_documents
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_claim insurance.insurance_claims := insurance.lock_claim(p_claim_id);
  v_document insurance.claim_documents;
begin
  select d.* into v_document
  from insurance.claim_documents d
  where d.tenant_id = v_claim.tenant_id and d.claim_id = v_claim.id and d.sha256 = p_sha256;
  if found then
    return v_document;
  end if;
  if v_claim.status not in ('draft', 'ready', 'queried') then
    raise exception 'claim % is % and takes no papers', p_claim_id, v_claim.status
      using errcode = 'IM001', hint = 'attach them to a draft, or to the answer of a query';
  end if;
  if p_document_id is not null and not exists (
    select
    from ehr.documents d
    where
      d.tenant_id = v_claim.tenant_id and d.id = p_document_id and d.deleted_at is null
      and (d.patient_id is null or d.patient_id = v_claim.patient_id)
  ) then
    raise exception 'document % is none of patient %', p_document_id, v_claim.patient_id
      using errcode = 'IM005', hint = 'choose a stored document of the patient';
  end if;
  insert into insurance.claim_documents (
    tenant_id, claim_id, case_id, seq, category_code, code, criterion_id, document_id, questionnaire_response, filename,
    sha256, captured_at, latitude, longitude
  )
  values (
    v_claim.tenant_id, v_claim.id, v_claim.case_id,
    (
      select coalesce(max(d.seq), 0) + 1
      from insurance.claim_documents d
      where d.tenant_id = v_claim.tenant_id and d.claim_id = v_claim.id
    ),
    p_category_code, p_code, p_criterion_id, p_document_id, p_questionnaire_response, p_filename, p_sha256, p_captured_at,
    p_latitude, p_longitude
  )
  returning * into v_document;
  return v_document;
end
$$;

comment on function insurance.attach_document(uuid, text, text, text, bytea, uuid, jsonb, uuid, timestamptz, numeric, numeric) is 'about=Attaches a stored document, or the answer {"answer": value} to a question, to a draft or queried submission. p_code is the document type or question that the guideline asks for. The same content is attached once and returned. IM001 submitted, IM005 no such claim, document or criterion, IM006 the file name holds an Aadhaar number, 23505 the case has a file of this name.';

create function insurance.review_document(p_claim_document_id uuid, p_accepted boolean, p_reason text default null)
  returns insurance.claim_documents
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_document insurance.claim_documents;
begin
  if not p_accepted and coalesce(btrim(p_reason), '') = '' then
    raise exception 'paper % needs a reason to be refused', p_claim_document_id
      using errcode = 'IM002', hint = 'say what is wrong with it';
  end if;
  update insurance.claim_documents d
  set accepted = p_accepted, reject_reason = case when p_accepted then null else p_reason end
  where d.tenant_id = v_tenant and d.id = p_claim_document_id
  returning d.* into v_document;
  if not found then
    raise exception 'paper % does not exist', p_claim_document_id
      using errcode = 'IM005', hint = 'attach it with insurance.attach_document';
  end if;
  return v_document;
end
$$;

comment on function insurance.review_document(uuid, boolean, text) is 'about=The medical coordinator (or the payer) accepts a paper or refuses it with a reason; only accepted papers count for the guideline. IM002 no reason, IM005 no such paper.';
