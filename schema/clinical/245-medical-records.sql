-- Clinical notes: written, signed, amended by an addendum.

create function clinical.lock_medical_record(p_record_id uuid) returns clinical.medical_records
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_record clinical.medical_records;
begin
  select r.* into v_record
  from clinical.medical_records r
  where r.tenant_id = core.require_tenant() and r.id = p_record_id
  for no key update;
  if not found then
    raise exception 'medical record % does not exist', p_record_id
      using errcode = 'IM005', hint = 'take the id from clinical.medical_records';
  end if;
  return v_record;
end
$$;

comment on function clinical.lock_medical_record(uuid) is 'about=A note of the tenant, locked. IM003 no tenant, IM005 no such note.';

create function clinical.write_medical_record(
  p_encounter_id uuid,
  p_type_code text,
  p_title text,
  p_content_enc bytea,
  p_content_hash bytea,
  p_sections jsonb default null,
  p_confidentiality text default 'N',
  p_cosigner_id uuid default null,
  p_id uuid default null,
  p_amends_id uuid default null,
  p_amendment_reason text default null
) returns clinical.medical_records
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_encounter clinical.encounters := clinical.lock_encounter(p_encounter_id);
  v_record clinical.medical_records;
begin
  select r.* into v_record
  from clinical.medical_records r
  where r.tenant_id = v_encounter.tenant_id and r.id = p_id;
  if found then
    if v_record.encounter_id <> p_encounter_id then
      raise exception 'medical record % belongs to another encounter', p_id
        using errcode = 'IM011', hint = 'choose a new id for a new note';
    end if;
    return v_record; -- sent again
  end if;
  insert into clinical.medical_records (
    tenant_id, id, record_number, patient_id, encounter_id, type_code, title, content_enc, content_hash, sections,
    author_id, cosigner_id, confidentiality, late_entry, amends_id, amendment_reason
  )
  values (
    v_encounter.tenant_id, coalesce(p_id, core.uuid_v7()), core.next_default_number('medical_record', '', 'MR-{YY}-'),
    v_encounter.patient_id, p_encounter_id, p_type_code, p_title, p_content_enc, p_content_hash, p_sections,
    workforce.acting_staff_id(), p_cosigner_id, p_confidentiality,
    v_encounter.status = 'finished', p_amends_id, p_amendment_reason
  )
  returning * into v_record;
  return v_record;
end
$$;

comment on function clinical.write_medical_record(uuid, text, text, bytea, bytea, jsonb, text, uuid, uuid, uuid, text) is 'about=Writes a draft note of the member of staff who is signed in: encrypted content and the SHA-256 of its text. A note that is written after the encounter is a late entry. An id that the caller chose is written once. IM005 no such encounter, IM006 the user is no member of staff, IM011 the id is of another encounter''s note.';

create function clinical.sign_medical_record(p_record_id uuid) returns clinical.medical_records
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_record clinical.medical_records := clinical.lock_medical_record(p_record_id);
  v_signer uuid := workforce.acting_staff_id();
begin
  if v_record.status = 'signed' and v_record.signed_by = v_signer then
    return v_record;
  end if;
  if v_record.author_id <> v_signer then
    raise exception 'medical record % was written by somebody else', p_record_id
      using errcode = 'IM006', hint = 'its author signs; a senior adds a signature with clinical.cosign_medical_record';
  end if;
  update clinical.medical_records r
  set status = 'signed', signed_at = now(), signed_by = v_signer
  where r.tenant_id = v_record.tenant_id and r.id = p_record_id
  returning r.* into v_record;
  if v_record.amends_id is not null then -- the addendum counts from its signature on
    perform core.set_reason(v_record.amendment_reason);
    update clinical.medical_records r
    set status = 'amended'
    where r.tenant_id = v_record.tenant_id and r.id = v_record.amends_id and r.status = 'signed';
  end if;
  return v_record;
end
$$;

comment on function clinical.sign_medical_record(uuid) is 'about=The author signs a draft: from now on nobody changes it. Signing an addendum marks the note that it names as amended. IM001 not a draft, IM005 no such note, IM006 the user is not its author.';

create function clinical.cosign_medical_record(p_record_id uuid) returns clinical.medical_records
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_record clinical.medical_records := clinical.lock_medical_record(p_record_id);
begin
  if v_record.cosigner_id is distinct from workforce.acting_staff_id() then
    raise exception 'medical record % names somebody else, or nobody, as cosigner', p_record_id
      using errcode = 'IM006', hint = 'the senior who is named cosigns';
  end if;
  if v_record.cosigned_at is not null then
    return v_record;
  end if;
  if v_record.status <> 'signed' then
    raise exception 'medical record % is %', p_record_id, v_record.status
      using errcode = 'IM001', hint = 'its author signs first';
  end if;
  update clinical.medical_records r
  set cosigned_at = now()
  where r.tenant_id = v_record.tenant_id and r.id = p_record_id
  returning r.* into v_record;
  return v_record;
end
$$;

comment on function clinical.cosign_medical_record(uuid) is 'about=The senior who is named in a signed note signs it as well. IM001 not signed by its author, IM005 no such note, IM006 the user is not its cosigner.';

create function clinical.amend_medical_record(
  p_record_id uuid,
  p_content_enc bytea,
  p_content_hash bytea,
  p_reason text,
  p_sections jsonb default null,
  p_id uuid default null
) returns clinical.medical_records
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_record clinical.medical_records;
begin
  select r.* into v_record
  from clinical.medical_records r
  where r.tenant_id = core.require_tenant() and r.id = p_record_id;
  if not found then
    raise exception 'medical record % does not exist', p_record_id
      using errcode = 'IM005', hint = 'take the id from clinical.medical_records';
  end if;
  if v_record.status not in ('signed', 'amended') then
    raise exception 'medical record % is %', p_record_id, v_record.status
      using errcode = 'IM001', hint = 'a draft is edited, a signed note is amended';
  end if;
  perform clinical.require_reason(p_reason, 'an addendum');
  return clinical.write_medical_record(
    v_record.encounter_id, v_record.type_code, v_record.title, p_content_enc, p_content_hash, p_sections,
    v_record.confidentiality, null, p_id, v_record.id, p_reason
  );
end
$$;

comment on function clinical.amend_medical_record(uuid, bytea, bytea, text, jsonb, uuid) is 'about=Writes an addendum to a signed note, as a draft note of its own that names it; sign it to let it count. IM001 the note is not signed, IM002 no reason, IM005 no such note, IM006 the user is no member of staff.';

create function clinical.discard_medical_record(p_record_id uuid) returns clinical.medical_records
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_record clinical.medical_records := clinical.lock_medical_record(p_record_id);
begin
  if v_record.status = 'discarded' then
    return v_record;
  end if;
  if v_record.author_id <> workforce.acting_staff_id() then
    raise exception 'medical record % was written by somebody else', p_record_id
      using errcode = 'IM006', hint = 'its author discards it';
  end if;
  update clinical.medical_records r
  set status = 'discarded'
  where r.tenant_id = v_record.tenant_id and r.id = p_record_id
  returning r.* into v_record;
  return v_record;
end
$$;

comment on function clinical.discard_medical_record(uuid) is 'about=The author discards a draft. IM001 signed already, IM005 no such note, IM006 the user is not its author.';

create function clinical.mark_medical_record_in_error(p_record_id uuid, p_reason text) returns clinical.medical_records
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_record clinical.medical_records := clinical.lock_medical_record(p_record_id);
begin
  if v_record.status = 'entered_in_error' then
    return v_record;
  end if;
  if v_record.signed_by is distinct from workforce.acting_staff_id() then
    raise exception 'medical record % was signed by somebody else', p_record_id
      using errcode = 'IM006', hint = 'who signed it says that it was an error';
  end if;
  perform clinical.require_reason(p_reason, 'marking a note as an error');
  update clinical.medical_records r
  set status = 'entered_in_error'
  where r.tenant_id = v_record.tenant_id and r.id = p_record_id
  returning r.* into v_record;
  return v_record;
end
$$;

comment on function clinical.mark_medical_record_in_error(uuid, text) is 'about=Who signed a note says that it should not exist, for a wrong patient for example; it stays readable. IM001 not signed, IM002 no reason, IM005 no such note, IM006 somebody else signed it.';
