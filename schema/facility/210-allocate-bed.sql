-- A patient is put into a bed, or moved to another one.

create function facility.allocate_bed(
  p_bed_id uuid,
  p_encounter_id uuid,
  p_patient_id uuid,
  p_reason text default null
) returns facility.bed_allocations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_bed facility.beds;
  v_present facility.bed_allocations;
begin
  perform facility.lock_patient(p_patient_id);
  v_bed := facility.lock_bed(p_bed_id);
  select a.* into v_present
  from facility.bed_allocations a
  where a.tenant_id = v_tenant and a.patient_id = p_patient_id and a.status = 'active';
  if found then
    if v_present.bed_id = p_bed_id and v_present.encounter_id = p_encounter_id then
      return v_present; -- asked again
    end if;
    raise exception 'patient % is in bed %', p_patient_id, v_present.bed_id
      using errcode = 'IM201', hint = 'transfer the patient with facility.transfer_bed';
  end if;
  -- the clock, not the start of the transaction: whoever left the bed while we waited for it left before
  return facility.take_bed(v_bed, p_encounter_id, p_patient_id, clock_timestamp(), p_reason, null);
end
$$;

comment on function facility.allocate_bed(uuid, uuid, uuid, text) is 'about=Puts the patient of an encounter into a bed from now on, a bed that is vacant or reserved for that encounter. Asked again: the same allocation. IM005 no such bed, IM200 bed taken, IM201 the patient is in another bed, IM202 policy (sex, age, isolation, class), IM204 cleaning, blocked or under maintenance, IM001 the encounter has ended; 55P03 after 3 s behind others, then ask again.';

create function facility.transfer_bed(p_allocation_id uuid, p_new_bed_id uuid, p_reason text default null)
  returns facility.bed_allocations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_old facility.bed_allocations;
  v_new facility.bed_allocations;
  v_bed facility.beds;
  v_at timestamptz;
begin
  select a.* into v_old
  from facility.bed_allocations a
  where a.tenant_id = v_tenant and a.id = p_allocation_id;
  if not found then
    raise exception 'bed allocation % does not exist', p_allocation_id
      using errcode = 'IM005', hint = 'take allocation_id from facility.bed_board';
  end if;
  perform facility.lock_patient(v_old.patient_id);
  -- both beds in the order of their ids, so that two moves in opposite directions cannot block each other
  if v_old.bed_id < p_new_bed_id then
    perform facility.lock_bed(v_old.bed_id);
  end if;
  v_bed := facility.lock_bed(p_new_bed_id);
  if v_old.bed_id > p_new_bed_id then
    perform facility.lock_bed(v_old.bed_id);
  end if;

  select a.* into v_old -- as it is now that the locks are held
  from facility.bed_allocations a
  where a.tenant_id = v_tenant and a.id = p_allocation_id;
  if v_old.status = 'completed' then -- asked again: the same answer, if the bed is the same
    select a.* into v_new
    from facility.bed_allocations a
    where a.tenant_id = v_tenant and a.transfer_from_id = v_old.id and a.bed_id = p_new_bed_id;
    if found then
      return v_new;
    end if;
  end if;
  if v_old.status <> 'active' or v_old.bed_id = p_new_bed_id then
    raise exception 'bed allocation % is % in bed %', p_allocation_id, v_old.status, v_old.bed_id
      using errcode = 'IM001', hint = 'only a patient who is in a bed can move, to another bed';
  end if;

  v_at := clock_timestamp();
  perform facility.leave_bed(v_old, v_at, p_reason);
  return facility.take_bed(v_bed, v_old.encounter_id, v_old.patient_id, v_at, p_reason, v_old.id);
end
$$;

comment on function facility.transfer_bed(uuid, uuid, text) is 'about=Moves a patient from one bed to another at one instant: the old allocation ends exactly when the new begins, and the old bed goes to cleaning. Asked again: the same allocation. IM001 the patient is not in that bed any more, IM005 no such allocation or bed, IM200 bed taken, IM202 policy, IM204 cleaning, blocked or under maintenance; 55P03 after 3 s behind others.';
