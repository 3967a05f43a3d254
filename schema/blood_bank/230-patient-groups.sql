-- The blood group of a patient: two samples, taken independently, or it is not known.

create function blood_bank.record_patient_group(
  p_patient_id uuid,
  p_sample_id uuid,
  p_abo text,
  p_rhd text,
  p_tested_by uuid,
  p_antibody_screen text default 'not_done',
  p_antibodies text[] default '{}',
  p_tested_at timestamptz default now()
) returns blood_bank.patient_blood_groups
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_group blood_bank.patient_blood_groups;
begin
  perform blood_bank.sample_of(p_sample_id, p_patient_id);
  perform pg_advisory_xact_lock(hashtextextended('blood_bank.group ' || v_tenant || p_patient_id, 0));
  select g.* into v_group
  from blood_bank.patient_blood_groups g
  where g.tenant_id = v_tenant and g.patient_id = p_patient_id and g.sample_id = p_sample_id;
  if found then
    if (v_group.abo, v_group.rhd) = (p_abo, p_rhd) then
      return v_group;
    end if;
    raise exception 'sample % was grouped with another result', p_sample_id
      using errcode = 'IM011', hint = 'take a new sample';
  end if;
  insert into blood_bank.patient_blood_groups as g (
    tenant_id, patient_id, sample_id, abo, rhd, antibody_screen, antibodies, tested_at, tested_by
  )
  values (
    v_tenant, p_patient_id, p_sample_id, p_abo, p_rhd, p_antibody_screen, p_antibodies, p_tested_at, p_tested_by
  )
  returning g.* into v_group;
  return v_group;
end
$$;

comment on function blood_bank.record_patient_group(uuid, uuid, text, text, uuid, text, text[], timestamptz) is 'about=Records what a sample says: first_sample, or discrepant when it contradicts another sample of the patient (which becomes discrepant, too). A sample is grouped once: the same again, the same row. IM005 no such sample of the patient, IM011 it was grouped with another result, IM353 not collected.';

create function blood_bank.sample_of(p_sample_id uuid, p_patient_id uuid, out root_id uuid, out collected_at timestamptz)
  returns record
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  select coalesce(s.parent_sample_id, s.id), coalesce(s.collected_at, parent.collected_at) into root_id, collected_at
  from laboratory.samples s
  left join laboratory.samples parent on parent.tenant_id = s.tenant_id and parent.id = s.parent_sample_id
  where s.tenant_id = core.require_tenant() and s.id = p_sample_id and s.patient_id = p_patient_id;
  if not found then
    raise exception 'sample % is not of patient %', p_sample_id, p_patient_id
      using errcode = 'IM005', hint = 'choose a sample of the patient';
  end if;
  if collected_at is null then
    raise exception 'sample % is not collected', p_sample_id
      using errcode = 'IM353', hint = 'record the collection first';
  end if;
end
$$;

comment on function blood_bank.sample_of(uuid, uuid) is 'about=Of a sample of the patient: the tube that it was taken from (aliquots are one sample), and when. IM005 no such sample of the patient, IM353 not collected.';

create function blood_bank.confirm_patient_group(p_group_id uuid, p_verified_by uuid) returns blood_bank.patient_blood_groups
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_group blood_bank.patient_blood_groups;
  v_root uuid;
begin
  select g.* into v_group
  from blood_bank.patient_blood_groups g
  where g.tenant_id = v_tenant and g.id = p_group_id
  for no key update;
  if not found then
    raise exception 'blood group % does not exist', p_group_id
      using errcode = 'IM005', hint = 'choose a row of blood_bank.patient_blood_groups';
  end if;
  if v_group.status = 'confirmed' then
    return v_group;
  end if;
  if v_group.tested_by = p_verified_by then
    raise exception 'blood group % was tested by the same person', p_group_id
      using errcode = 'IM312', hint = 'ask a second person to confirm it';
  end if;
  v_root := (blood_bank.sample_of(v_group.sample_id, v_group.patient_id)).root_id;
  if v_group.status <> 'first_sample' or not exists (
    select
    from blood_bank.patient_blood_groups g
    where
      g.tenant_id = v_tenant and g.patient_id = v_group.patient_id and g.id <> v_group.id
      and g.status in ('first_sample', 'confirmed')
      and g.abo = v_group.abo and (g.rhd = 'pos') = (v_group.rhd = 'pos')
      and (blood_bank.sample_of(g.sample_id, g.patient_id)).root_id <> v_root
  ) then
    raise exception 'blood group % is not backed by a second sample', p_group_id
      using errcode = 'IM355', hint = 'take a second sample, or resolve the discrepancy first';
  end if;
  update blood_bank.patient_blood_groups g
  set status = 'confirmed', verified_by = p_verified_by
  where g.tenant_id = v_tenant and g.id = v_group.id
  returning g.* into v_group;
  return v_group;
end
$$;

comment on function blood_bank.confirm_patient_group(uuid, uuid) is 'about=A second person confirms a group that another, independently taken sample of the patient agrees with (two aliquots of one tube are one sample). IM005 no such row, IM312 the tester confirms their own result, IM355 no second sample agrees, or samples disagree.';

create function blood_bank.resolve_discrepancy(p_right_group_id uuid, p_resolved_by uuid, p_note text)
  returns setof blood_bank.patient_blood_groups
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_right blood_bank.patient_blood_groups;
  v_group blood_bank.patient_blood_groups;
begin
  if nullif(btrim(p_note), '') is null then
    raise exception 'a discrepancy is resolved with a note'
      using errcode = 'IM002', hint = 'say in p_note what was found';
  end if;
  select g.* into v_right
  from blood_bank.patient_blood_groups g
  where g.tenant_id = v_tenant and g.id = p_right_group_id;
  if not found then
    raise exception 'blood group % does not exist', p_right_group_id
      using errcode = 'IM005', hint = 'choose a row of blood_bank.patient_blood_groups';
  end if;
  perform pg_advisory_xact_lock(hashtextextended('blood_bank.group ' || v_tenant || v_right.patient_id, 0));
  for v_group in
    select g.*
    from blood_bank.patient_blood_groups g
    where g.tenant_id = v_tenant and g.patient_id = v_right.patient_id and g.status = 'discrepant'
    order by g.id
    for no key update
  loop
    update blood_bank.patient_blood_groups g
    set
      status = case
        when g.abo = v_right.abo and (g.rhd = 'pos') = (v_right.rhd = 'pos') then 'first_sample'
        else 'rejected'
      end,
      verified_by = p_resolved_by, discrepancy_note = p_note
    where g.tenant_id = v_tenant and g.id = v_group.id
    returning g.* into v_group;
    return next v_group;
  end loop;
end
$$;

comment on function blood_bank.resolve_discrepancy(uuid, uuid, text) is 'about=Says which of the contradicting samples was right: those that agree with it are first samples again, the others rejected. The group is confirmed anew with blood_bank.confirm_patient_group. Returns the rows that it changed, none when it is repeated. IM002 no note, IM005 no such row.';
