-- The life of a document: registered when its bytes are stored, current after a clean scan, superseded by its next
-- version. Lock order: the document that is replaced, then its successor, then the number.

create function ehr.lock_document(p_document_id uuid) returns ehr.documents
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_document ehr.documents;
begin
  select d.* into v_document
  from ehr.documents d
  where d.tenant_id = v_tenant and d.id = p_document_id and d.deleted_at is null
  for no key update;
  if not found then
    raise exception 'document % does not exist', p_document_id
      using errcode = 'IM005', hint = 'choose a document of the tenant that is not deleted';
  end if;
  return v_document;
end
$$;

comment on function ehr.lock_document(uuid) is 'about=The document, locked until the transaction ends. IM005 no such document.';

create function ehr.same_object(p_stored ehr.documents, p_document jsonb) returns ehr.documents
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_stored.sha256 <> (p_document ->> 'sha256')::bytea
    or p_stored.patient_id is distinct from (p_document ->> 'patient_id')::uuid
    or p_stored.supersedes_id is distinct from (p_document ->> 'supersedes_id')::uuid
  then
    raise exception 'the stored object of document % was registered with other content', p_stored.id
      using errcode = 'IM011', hint = 'store every file under a name of its own';
  end if;
  return p_stored;
end
$$;

comment on function ehr.same_object(ehr.documents, jsonb) is 'about=The document that a stored object was registered as, when content, patient and predecessor are the same; else IM011.';

create function ehr.add_document(p_document jsonb) returns ehr.documents
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_known text[] := array[
    'title', 'type_code', 'category', 'patient_id', 'encounter_id', 'template_id', 'supersedes_id', 'storage_uri', 'mime',
    'size_bytes', 'sha256', 'key_kid', 'original_filename', 'confidentiality', 'source', 'captured_at', 'retention_until'
  ];
  v_unknown text;
  v_patient_id uuid := (p_document ->> 'patient_id')::uuid;
  v_replaced ehr.documents;
  v_duplicate_id uuid;
  v_document ehr.documents;
begin
  select k.key into v_unknown from jsonb_object_keys(p_document) as k (key) where k.key <> all (v_known) limit 1;
  if v_unknown is not null then
    raise exception 'the document has an unknown key "%"', v_unknown
      using errcode = '22023', hint = 'known keys: ' || array_to_string(v_known, ', ');
  end if;

  select d.* into v_document
  from ehr.documents d
  where d.tenant_id = v_tenant and d.storage_uri = p_document ->> 'storage_uri';
  if found then
    return ehr.same_object(v_document, p_document);
  end if;

  if p_document ->> 'supersedes_id' is not null then
    v_replaced := ehr.lock_document((p_document ->> 'supersedes_id')::uuid);
    if v_replaced.status not in ('current', 'superseded') or v_replaced.patient_id is distinct from v_patient_id then
      raise exception 'document % is % and cannot be replaced by this one', v_replaced.id, v_replaced.status
        using errcode = 'IM006', hint = 'a version replaces a current one of the same patient';
    end if;
  end if;
  select d.id into v_duplicate_id
  from ehr.documents d
  where
    d.tenant_id = v_tenant
    and d.sha256 = (p_document ->> 'sha256')::bytea
    and d.patient_id is not distinct from v_patient_id
    and d.status not in ('discarded', 'entered_in_error')
    and d.deleted_at is null
  order by d.created_at, d.id
  limit 1;

  insert into ehr.documents as d (
    tenant_id, document_number, version, patient_id, encounter_id, type_code, title, category, template_id,
    supersedes_id, duplicate_of_id, storage_uri, mime, size_bytes, sha256, key_kid, original_filename, confidentiality,
    source, captured_at, retention_until
  )
  values (
    v_tenant,
    coalesce(v_replaced.document_number, core.next_default_number('document', '', 'DOC-{YYYY}-')),
    coalesce(
      (
        select max(o.version) + 1
        from ehr.documents o
        where o.tenant_id = v_tenant and o.document_number = v_replaced.document_number
      ),
      1
    ),
    v_patient_id, (p_document ->> 'encounter_id')::uuid, p_document ->> 'type_code', p_document ->> 'title',
    p_document ->> 'category', (p_document ->> 'template_id')::uuid, v_replaced.id, v_duplicate_id,
    p_document ->> 'storage_uri', p_document ->> 'mime', (p_document ->> 'size_bytes')::bigint,
    (p_document ->> 'sha256')::bytea, p_document ->> 'key_kid', p_document ->> 'original_filename',
    coalesce(p_document ->> 'confidentiality', 'N'), coalesce(p_document ->> 'source', 'uploaded'),
    (p_document ->> 'captured_at')::timestamptz, (p_document ->> 'retention_until')::date
  )
  on conflict (tenant_id, storage_uri) do nothing -- somebody else registers the same object: theirs is the answer
  returning d.* into v_document;
  if not found then
    select d.* into v_document
    from ehr.documents d
    where d.tenant_id = v_tenant and d.storage_uri = p_document ->> 'storage_uri';
    return ehr.same_object(v_document, p_document);
  end if;
  return v_document;
end
$$;

comment on function ehr.add_document(jsonb) is 'about=Registers a stored file as preliminary: {title, type_code, category, storage_uri, mime, size_bytes, sha256 (bytes in hexadecimal), key_kid, and where known patient_id, encounter_id, template_id, source, confidentiality, original_filename, captured_at, retention_until}; with supersedes_id it is the next version of that document. The same storage_uri again returns the same row. duplicate_of_id names an earlier document of the patient with the same content. IM005 no such document to replace, IM006 that one cannot be replaced or a text looks like an Aadhaar number, IM011 the object was registered with other content, 22023 unknown key.';

create function ehr.record_virus_scan(p_document_id uuid, p_result text) returns ehr.documents
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_document ehr.documents := ehr.lock_document(p_document_id);
begin
  if coalesce(p_result, '') not in ('clean', 'infected') then
    raise exception 'unknown scan result "%"', p_result using errcode = '22023', hint = 'use clean or infected';
  end if;
  if v_document.virus_scan = p_result then
    return v_document;
  end if;
  if v_document.virus_scan <> 'pending' then
    raise exception 'document % was scanned already', p_document_id
      using errcode = 'IM001', hint = 'register the file again when its bytes have changed';
  end if;
  if p_result = 'infected' and v_document.status = 'preliminary' then
    perform core.set_reason('virus found');
    update ehr.documents d
    set virus_scan = p_result, scanned_at = now(), status = 'discarded'
    where d.tenant_id = v_document.tenant_id and d.id = v_document.id
    returning d.* into v_document;
  else
    update ehr.documents d
    set virus_scan = p_result, scanned_at = now()
    where d.tenant_id = v_document.tenant_id and d.id = v_document.id
    returning d.* into v_document;
  end if;
  return v_document;
end
$$;

comment on function ehr.record_virus_scan(uuid, text) is 'about=The scanner''s answer, clean or infected; an infected file is discarded at once. IM001 it was scanned with another answer, IM005 no such document, 22023 unknown answer.';

create function ehr.finalise_document(p_document_id uuid) returns ehr.documents
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_number text;
  v_old_id uuid;
  v_document ehr.documents;
begin
  -- the version in use first, so that two successors of one document queue up here
  select d.document_number into v_number
  from ehr.documents d
  where d.tenant_id = v_tenant and d.id = p_document_id;
  select d.id into v_old_id
  from ehr.documents d
  where d.tenant_id = v_tenant and d.document_number = v_number and d.status = 'current' and d.deleted_at is null
  for no key update;
  v_document := ehr.lock_document(p_document_id);
  if v_document.status = 'current' then
    return v_document;
  end if;
  if v_document.status = 'preliminary' and v_document.virus_scan <> 'clean' then
    raise exception 'document % is not scanned', p_document_id
      using errcode = 'IM006', hint = 'wait for ehr.record_virus_scan with result clean';
  end if;
  if v_document.status = 'preliminary' and exists (
    select
    from ehr.documents d
    where
      d.tenant_id = v_tenant and d.document_number = v_number and d.version > v_document.version
      and d.status in ('current', 'superseded')
  ) then
    raise exception 'a later version of document % is in use', p_document_id
      using errcode = 'IM006', hint = 'discard this one, or add it again as the next version';
  end if;
  if v_old_id is not null and v_document.status = 'preliminary' then
    update ehr.documents d set status = 'superseded' where d.tenant_id = v_tenant and d.id = v_old_id;
  end if;
  update ehr.documents d
  set status = 'current'
  where d.tenant_id = v_tenant and d.id = p_document_id
  returning d.* into v_document;
  return v_document;
end
$$;

comment on function ehr.finalise_document(uuid) is 'about=Makes a clean document current; the version before it is superseded in the same moment. IM001 it is superseded, discarded or entered in error, IM005 no such document, IM006 not scanned clean, or a later version is in use.';

create function ehr.discard_document(p_document_id uuid, p_reason text) returns ehr.documents
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_document ehr.documents := ehr.lock_document(p_document_id);
begin
  if v_document.status = 'discarded' then
    return v_document;
  end if;
  perform core.set_reason(btrim(p_reason));
  update ehr.documents d
  set status = 'discarded'
  where d.tenant_id = v_document.tenant_id and d.id = v_document.id
  returning d.* into v_document;
  return v_document;
end
$$;

comment on function ehr.discard_document(uuid, text) is 'about=Drops a document that never became current. IM001 it did, IM002 no reason, IM005 no such document.';

create function ehr.mark_document_in_error(p_document_id uuid, p_reason text) returns ehr.documents
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_document ehr.documents := ehr.lock_document(p_document_id);
begin
  if v_document.status = 'entered_in_error' then
    return v_document;
  end if;
  perform core.set_reason(btrim(p_reason));
  update ehr.documents d
  set status = 'entered_in_error'
  where d.tenant_id = v_document.tenant_id and d.id = v_document.id
  returning d.* into v_document;
  return v_document;
end
$$;

comment on function ehr.mark_document_in_error(uuid, text) is 'about=A current document turns out to be wrong, such as filed under another patient; it stays readable as evidence. IM001 it is not current, IM002 no reason, IM005 no such document.';
