-- Merging duplicates: proposed by one person, approved by another, reversible. Rows of other modules keep the id of the
-- duplicate; whoever reads them asks for patient.ids_of, or listens to patient.merged.v1.

create function patient.propose_merge(
  p_survivor uuid,
  p_duplicate uuid,
  p_reason text,
  p_match_score numeric default 0,
  p_match_reasons text[] default '{}'
) returns uuid
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_user uuid := core.current_user_id();
  v_id uuid;
begin
  if v_user is null then
    raise exception 'a merge is proposed by a user'
      using errcode = 'IM006', hint = 'pass the user to core.begin_request';
  end if;
  perform patient.lock_pair(p_survivor, p_duplicate);
  select m.id into v_id
  from patient.patient_merges m
  where
    m.tenant_id = v_tenant and m.survivor_id = p_survivor and m.duplicate_id = p_duplicate
    and m.status in ('proposed', 'approved');
  if found then
    return v_id;
  end if;
  insert into patient.patient_merges (
    tenant_id, survivor_id, duplicate_id, match_score, match_reasons, requested_by, reason
  )
  values (v_tenant, p_survivor, p_duplicate, p_match_score, p_match_reasons, v_user, p_reason)
  returning id into v_id;
  return v_id;
end
$$;

comment on function patient.propose_merge(uuid, uuid, text, numeric, text[]) is 'about=Proposes to merge p_duplicate into p_survivor and returns the proposal; the same pair again returns the open one. IM003 no tenant, IM005 no such patient, IM006 no user; 23505 the pair is proposed the other way round.';

create function patient.lock_pair(p_one uuid, p_other uuid) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_id uuid;
begin
  foreach v_id in array array[least(p_one, p_other), greatest(p_one, p_other)]
  loop
    perform
    from patient.patients p
    where p.tenant_id = v_tenant and p.id = v_id and p.deleted_at is null
    for no key update;
    if not found then
      raise exception 'patient % does not exist', v_id
        using errcode = 'IM005', hint = 'search the patient again';
    end if;
  end loop;
end
$$;

comment on function patient.lock_pair(uuid, uuid) is 'about=Locks two patients in the order of their ids. IM005 one of them does not exist.';

create function patient.merge(p_survivor uuid, p_duplicate uuid, p_approver uuid default null) returns uuid
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_user uuid := core.current_user_id();
  v_merge patient.patient_merges;
  v_survivor patient.patients;
  v_duplicate patient.patients;
  v_identifier record;
  v_id uuid;
  v_identifiers jsonb := '[]';
  v_contacts jsonb := '[]';
  v_related jsonb := '[]';
  v_redirected jsonb := '[]';
begin
  if v_user is null or v_user <> coalesce(p_approver, v_user) then
    raise exception 'a merge is approved by the signed-in user'
      using errcode = 'IM006', hint = 'let the approver sign in';
  end if;
  perform patient.lock_pair(p_survivor, p_duplicate);
  select p.* into v_survivor from patient.patients p where p.tenant_id = v_tenant and p.id = p_survivor;
  select p.* into v_duplicate from patient.patients p where p.tenant_id = v_tenant and p.id = p_duplicate;

  if v_duplicate.merged_into_id = p_survivor then
    select m.id into v_id
    from patient.patient_merges m
    where
      m.tenant_id = v_tenant and m.survivor_id = p_survivor and m.duplicate_id = p_duplicate and m.status = 'merged';
    if found then
      return v_id;
    end if;
  end if;
  if v_duplicate.status <> 'active' then
    raise exception 'patient % is %, not active', p_duplicate, v_duplicate.status
      using errcode = 'IM001', hint = 'only an active patient can be merged into another';
  end if;
  if v_survivor.status = 'merged' then
    raise exception 'patient % was itself merged into %', p_survivor, v_survivor.merged_into_id
      using errcode = 'IM005', hint = 'merge into that patient';
  end if;

  select m.* into v_merge
  from patient.patient_merges m
  where
    m.tenant_id = v_tenant and m.survivor_id = p_survivor and m.duplicate_id = p_duplicate
    and m.status in ('proposed', 'approved')
  for update;
  if not found then
    raise exception 'nobody proposed to merge % into %', p_duplicate, p_survivor
      using errcode = 'IM005', hint = 'propose it with patient.propose_merge; another user approves';
  end if;
  if v_merge.requested_by = v_user then
    raise exception 'merge % cannot be approved by who proposed it', v_merge.id
      using errcode = 'IM006', hint = 'ask a second person';
  end if;
  if exists (
    select
    from patient.patient_identifiers a
    join patient.patient_identifiers b
      on b.tenant_id = a.tenant_id and b.patient_id = p_duplicate and b.kind = a.kind and b.value_bidx <> a.value_bidx
    where
      a.tenant_id = v_tenant and a.patient_id = p_survivor and a.kind = 'abha_number'
      and a.deleted_at is null and b.deleted_at is null
  ) then
    raise exception 'patients % and % have different ABHA numbers', p_survivor, p_duplicate
      using errcode = 'IM213', hint = 'find out which one is right and delete the other, or dismiss the merge';
  end if;

  perform core.set_reason(v_merge.reason);
  if v_merge.status = 'proposed' then
    update patient.patient_merges m
    set status = 'approved', approved_by = v_user
    where m.tenant_id = v_tenant and m.id = v_merge.id;
  end if;

  -- one primary identifier a kind: the survivor's own stays
  for v_identifier in
    select
      i.id,
      i.is_primary,
      i.is_primary and not exists (
        select
        from patient.patient_identifiers s
        where
          s.tenant_id = v_tenant and s.patient_id = p_survivor and s.kind = i.kind and s.is_primary
          and s.deleted_at is null
      ) as stays_primary
    from patient.patient_identifiers i
    where i.tenant_id = v_tenant and i.patient_id = p_duplicate and i.deleted_at is null
    order by i.id
  loop
    update patient.patient_identifiers i
    set patient_id = p_survivor, is_primary = v_identifier.stays_primary
    where i.tenant_id = v_tenant and i.id = v_identifier.id;
    v_identifiers := v_identifiers || jsonb_build_object('id', v_identifier.id, 'was_primary', v_identifier.is_primary);
  end loop;

  for v_id in
    select c.id
    from patient.patient_contacts c
    where
      c.tenant_id = v_tenant and c.patient_id = p_duplicate and c.deleted_at is null
      and c.related_patient_id is distinct from p_survivor
    order by c.id
  loop
    update patient.patient_contacts c set patient_id = p_survivor where c.tenant_id = v_tenant and c.id = v_id;
    v_contacts := v_contacts || to_jsonb(v_id);
  end loop;

  for v_id in
    select c.id
    from patient.patient_contacts c
    where c.tenant_id = v_tenant and c.related_patient_id = p_duplicate and c.patient_id <> p_survivor
    order by c.id
  loop
    update patient.patient_contacts c set related_patient_id = p_survivor where c.tenant_id = v_tenant and c.id = v_id;
    v_related := v_related || to_jsonb(v_id);
  end loop;

  -- who was merged into the duplicate before now points to the survivor: one step is always enough
  for v_id in
    select p.id from patient.patients p where p.tenant_id = v_tenant and p.merged_into_id = p_duplicate order by p.id
  loop
    update patient.patients p set merged_into_id = p_survivor where p.tenant_id = v_tenant and p.id = v_id;
    v_redirected := v_redirected || to_jsonb(v_id);
  end loop;

  update patient.patients p
  set
    status = 'merged',
    merged_into_id = p_survivor,
    portal_user_id = case when v_survivor.portal_user_id is null then null else p.portal_user_id end
  where p.tenant_id = v_tenant and p.id = p_duplicate;
  if v_survivor.portal_user_id is null and v_duplicate.portal_user_id is not null then
    update patient.patients p
    set portal_user_id = v_duplicate.portal_user_id
    where p.tenant_id = v_tenant and p.id = p_survivor;
  end if;

  update patient.patient_merges m
  set
    status = 'merged',
    executed_at = now(),
    moved_rows = jsonb_build_object(
      'identifiers', v_identifiers,
      'contacts', v_contacts,
      'related_contacts', v_related,
      'redirected', v_redirected,
      'portal_user_id', case when v_survivor.portal_user_id is null then v_duplicate.portal_user_id end
    )
  where m.tenant_id = v_tenant and m.id = v_merge.id;
  return v_merge.id;
end
$$;

comment on function patient.merge(uuid, uuid, uuid) is 'about=Approves the open proposal for the pair as the signed-in user and merges: identifiers, contacts and portal account move to the survivor and are listed in moved_rows; the duplicate gets status merged. Returns the merge; merging a merged pair changes nothing. IM001 the duplicate is not active, IM003, IM005 no such patient or proposal, IM006 approver is the proposer or not signed in, IM213 different ABHA numbers.';

create function patient.dismiss_merge(p_merge uuid, p_reason text) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  perform core.set_reason(p_reason);
  update patient.patient_merges m
  set status = 'dismissed'
  where m.tenant_id = v_tenant and m.id = p_merge;
  if not found then
    raise exception 'merge % does not exist', p_merge using errcode = 'IM005', hint = 'list the open proposals again';
  end if;
end
$$;

comment on function patient.dismiss_merge(uuid, text) is 'about=Closes a proposal: the two are different people. IM001 it is not open, IM003 no tenant, IM005 no such proposal.';

create function patient.unmerge(p_merge uuid, p_reason text) returns uuid
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_merge patient.patient_merges;
  v_duplicate patient.patients;
  v_moved jsonb;
begin
  if nullif(btrim(p_reason), '') is null then
    raise exception 'taking a merge back needs a reason' using errcode = 'IM002', hint = 'pass p_reason';
  end if;
  select m.* into v_merge from patient.patient_merges m where m.tenant_id = v_tenant and m.id = p_merge;
  if not found then
    raise exception 'merge % does not exist', p_merge using errcode = 'IM005', hint = 'list the merges of the patient';
  end if;
  perform patient.lock_pair(v_merge.survivor_id, v_merge.duplicate_id);
  select m.* into v_merge from patient.patient_merges m where m.tenant_id = v_tenant and m.id = p_merge for update;
  if v_merge.status = 'reversed' then
    return v_merge.duplicate_id;
  end if;
  select p.* into v_duplicate from patient.patients p where p.tenant_id = v_tenant and p.id = v_merge.duplicate_id;
  if v_merge.status = 'merged' and v_duplicate.merged_into_id is distinct from v_merge.survivor_id then
    raise exception 'patient % was merged again after merge %', v_merge.survivor_id, p_merge
      using errcode = 'IM006', hint = 'take the later merge back first';
  end if;

  perform core.set_reason(p_reason);
  update patient.patient_merges m
  set status = 'reversed', reversed_at = now()
  where m.tenant_id = v_tenant and m.id = p_merge;

  v_moved := v_merge.moved_rows;
  -- primary flags: the moved ones go back first, with the flag that they had
  update patient.patient_identifiers i
  set patient_id = v_merge.duplicate_id, is_primary = (e.value ->> 'was_primary')::boolean
  from jsonb_array_elements(v_moved -> 'identifiers') e
  where i.tenant_id = v_tenant and i.id = (e.value ->> 'id')::uuid and i.patient_id = v_merge.survivor_id;
  update patient.patient_contacts c
  set patient_id = v_merge.duplicate_id
  where
    c.tenant_id = v_tenant and c.patient_id = v_merge.survivor_id
    and c.id in (select e.value::uuid from jsonb_array_elements_text(v_moved -> 'contacts') e);
  update patient.patient_contacts c
  set related_patient_id = v_merge.duplicate_id
  where
    c.tenant_id = v_tenant and c.related_patient_id = v_merge.survivor_id
    and c.id in (select e.value::uuid from jsonb_array_elements_text(v_moved -> 'related_contacts') e);

  update patient.patients p
  set portal_user_id = null
  where
    p.tenant_id = v_tenant and p.id = v_merge.survivor_id
    and p.portal_user_id = (v_moved ->> 'portal_user_id')::uuid;
  update patient.patients p
  set
    status = 'active',
    merged_into_id = null,
    portal_user_id = coalesce((v_moved ->> 'portal_user_id')::uuid, p.portal_user_id)
  where p.tenant_id = v_tenant and p.id = v_merge.duplicate_id;
  update patient.patients p
  set merged_into_id = v_merge.duplicate_id
  where
    p.tenant_id = v_tenant and p.merged_into_id = v_merge.survivor_id
    and p.id in (select e.value::uuid from jsonb_array_elements_text(v_moved -> 'redirected') e);
  return v_merge.duplicate_id;
end
$$;

comment on function patient.unmerge(uuid, text) is 'about=Takes a merge back: rows of moved_rows that the survivor still holds return to the duplicate, which is active again. Returns the duplicate; a reversed merge again changes nothing. IM001 it was not merged, IM002 no reason, IM003, IM005 no such merge, IM006 a later merge must be taken back first.';
