-- What the operations of beds share. Order of locks: patient, beds by id, allocations.

create function facility.lock_bed(p_bed_id uuid) returns facility.beds
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_bed facility.beds;
begin
  select b.* into v_bed
  from facility.beds b
  where b.tenant_id = v_tenant and b.id = p_bed_id and b.deleted_at is null
  for no key update;
  if not found then
    raise exception 'bed % does not exist', p_bed_id using errcode = 'IM005', hint = 'choose a bed of facility.bed_board';
  end if;
  return v_bed;
end
$$;

comment on function facility.lock_bed(uuid) is 'about=A bed of the tenant, locked. IM005 no such bed.';

create function facility.lock_patient(p_patient_id uuid) returns void
  language sql
  volatile
  set search_path = pg_catalog, pg_temp
as $$
  select pg_advisory_xact_lock(
    hashtextextended('facility.bed_of_patient' || core.require_tenant() || p_patient_id, 0)
  )
$$;

comment on function facility.lock_patient(uuid) is 'about=Two that put one patient into two beds meet here, and so do allocating a bed and ending the stay, before either holds a bed.';

create function facility.end_reservation(p_bed_id uuid, p_status text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  update facility.bed_allocations a
  set status = p_status, released_by = core.current_user_id()
  where a.tenant_id = v_tenant and a.bed_id = p_bed_id and a.status = 'reserved';
  update facility.beds b
  set status = 'vacant'
  where b.tenant_id = v_tenant and b.id = p_bed_id and b.status = 'reserved';
end
$$;

comment on function facility.end_reservation(uuid, text) is 'about=Ends the reservation of a bed that the caller has locked, as released or expired; the bed is vacant.';

create function facility.take_bed(
  p_bed facility.beds,
  p_encounter_id uuid,
  p_patient_id uuid,
  p_at timestamptz,
  p_reason text,
  p_transfer_from_id uuid
) returns facility.bed_allocations
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_bed facility.beds := p_bed;
  v_held facility.bed_allocations;
  v_allocation facility.bed_allocations;
begin
  if v_bed.status in ('cleaning', 'blocked', 'maintenance') then
    raise exception 'bed % is %', v_bed.id,
        case v_bed.status when 'cleaning' then 'being cleaned' when 'blocked' then 'blocked' else 'under maintenance' end
      using errcode = 'IM204', hint = 'choose a vacant bed';
  end if;
  if v_bed.status = 'reserved' then
    select a.* into v_held
    from facility.bed_allocations a
    where a.tenant_id = v_bed.tenant_id and a.bed_id = v_bed.id and a.status = 'reserved';
    if v_held.encounter_id = p_encounter_id then
      update facility.bed_allocations a
      set
        status = 'active', kind = 'occupancy', period = tstzrange(p_at, null),
        transfer_from_id = p_transfer_from_id, reason = coalesce(p_reason, a.reason)
      where a.tenant_id = v_bed.tenant_id and a.id = v_held.id
      returning a.* into v_allocation;
    elsif v_held.reserved_until <= p_at then
      perform facility.end_reservation(v_bed.id, 'expired');
      v_bed.status := 'vacant';
    end if;
  end if;
  if v_bed.status = 'vacant' then
    insert into facility.bed_allocations (
      tenant_id, bed_id, encounter_id, patient_id, kind, status, period, transfer_from_id, reason
    )
    values (
      v_bed.tenant_id, v_bed.id, p_encounter_id, p_patient_id, 'occupancy', 'active', tstzrange(p_at, null),
      p_transfer_from_id, p_reason
    )
    on conflict do nothing -- the exclusion constraints decide, and do not wait in a deadlock
    returning * into v_allocation;
  end if;
  if v_allocation.id is null then
    raise exception 'bed % is taken', v_bed.id
      using errcode = 'IM200', hint = 'choose a vacant bed of facility.bed_board';
  end if;

  update facility.beds b
  set status = 'occupied', current_allocation_id = v_allocation.id
  where b.tenant_id = v_bed.tenant_id and b.id = v_bed.id;
  return v_allocation;
end
$$;

comment on function facility.take_bed(facility.beds, uuid, uuid, timestamptz, text, uuid) is 'about=Puts a patient into a bed that the caller has locked, from p_at on; uses the encounter''s reservation, and ends one that has lapsed. IM200 taken, IM204 cleaning, blocked or under maintenance; IM202 by the policy of beds.';
