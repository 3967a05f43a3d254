-- A bed is left. Only the end of a stay does that (clinical.record_departure, clinical.finish_encounter) and a transfer.

create function facility.leave_bed(p_allocation facility.bed_allocations, p_at timestamptz, p_reason text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  update facility.beds b
  set status = 'cleaning', current_allocation_id = null
  where b.tenant_id = p_allocation.tenant_id and b.id = p_allocation.bed_id and b.current_allocation_id = p_allocation.id;
  update facility.bed_allocations a
  set
    status = 'completed', period = tstzrange(lower(a.period), p_at), released_by = core.current_user_id(),
    reason = coalesce(p_reason, a.reason)
  where a.tenant_id = p_allocation.tenant_id and a.id = p_allocation.id;
end
$$;

comment on function facility.leave_bed(facility.bed_allocations, timestamptz, text) is 'about=Ends an occupancy at p_at; its bed, which the caller has locked, goes to cleaning.';

create function facility.vacate_beds(p_encounter_id uuid, p_patient_id uuid, p_reason text default null) returns uuid
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_allocation facility.bed_allocations;
  v_left uuid;
begin
  -- even when there is no bed yet: somebody may be about to allocate one, and then we find it here
  perform facility.lock_patient(p_patient_id);
  for v_allocation in
    select a.*
    from facility.bed_allocations a
    where a.tenant_id = v_tenant and a.encounter_id = p_encounter_id and a.status in ('reserved', 'active')
    order by a.bed_id
  loop
    perform facility.lock_bed(v_allocation.bed_id);
    select a.* into v_allocation -- as it is now that the lock is held
    from facility.bed_allocations a
    where a.tenant_id = v_tenant and a.id = v_allocation.id;
    if v_allocation.status = 'reserved' then
      perform facility.end_reservation(v_allocation.bed_id, 'released');
    elsif v_allocation.status = 'active' then
      perform facility.leave_bed(v_allocation, clock_timestamp(), p_reason);
      v_left := v_allocation.bed_id;
    end if;
  end loop;
  return v_left;
end
$$;

comment on function facility.vacate_beds(uuid, uuid, text) is 'about=The patient of an encounter, which has ended in this transaction, has left: an occupied bed goes to cleaning, a reserved one is vacant. Returns the bed that was left, null when there was none. For the services that end a stay, not for applications.';
