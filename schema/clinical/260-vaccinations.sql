-- Vaccinations given and refused.

create function clinical.give_vaccination(
  p_patient_id uuid,
  p_vaccine_code text,
  p_vaccine_name text,
  p_dose_number int,
  p_lot_number text,
  p_expiry_on date,
  p_series text default null,
  p_encounter_id uuid default null,
  p_batch_id uuid default null,
  p_route text default null,
  p_site text default null,
  p_next_due_on date default null
) returns clinical.vaccination_records
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_row clinical.vaccination_records;
begin
  -- two who give the same dose meet here
  perform pg_advisory_xact_lock(
    hashtextextended('clinical.vaccination' || v_tenant || p_patient_id || p_vaccine_code, 0)
  );
  select r.* into v_row
  from clinical.vaccination_records r
  where
    r.tenant_id = v_tenant and r.patient_id = p_patient_id and r.vaccine_code = p_vaccine_code
    and r.series is not distinct from p_series and r.dose_number = p_dose_number
    and r.status in ('planned', 'completed', 'not_done') and r.deleted_at is null
  order by case r.status when 'completed' then 1 when 'planned' then 2 else 3 end
  limit 1;
  if v_row.status = 'completed' then
    return v_row; -- given already
  end if;
  if v_row.status = 'not_done' then -- refused once, given now
    update clinical.vaccination_records r
    set status = 'planned', not_done_reason = null
    where r.tenant_id = v_tenant and r.id = v_row.id;
  elsif v_row.id is null then
    insert into clinical.vaccination_records (
      tenant_id, patient_id, vaccine_code, vaccine_name, dose_number, series
    )
    values (v_tenant, p_patient_id, p_vaccine_code, p_vaccine_name, p_dose_number, p_series)
    returning * into v_row;
  end if;
  update clinical.vaccination_records r
  set
    status = 'completed', given_at = now(), given_by = workforce.acting_staff_id(), lot_number = p_lot_number,
    expiry_on = p_expiry_on, encounter_id = p_encounter_id, batch_id = p_batch_id, route = p_route, site = p_site,
    next_due_on = p_next_due_on
  where r.tenant_id = v_tenant and r.id = v_row.id
  returning r.* into v_row;
  return v_row;
end
$$;

comment on function clinical.give_vaccination(uuid, text, text, int, text, date, text, uuid, uuid, text, text, date) is 'about=Gives a dose of a series; a planned one is completed. The same dose is given once: asked again, its record. IM006 the user is no member of staff, 23514 no lot, or an expired one.';

create function clinical.refuse_vaccination(
  p_patient_id uuid,
  p_vaccine_code text,
  p_vaccine_name text,
  p_dose_number int,
  p_reason text,
  p_series text default null
) returns clinical.vaccination_records
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_row clinical.vaccination_records;
begin
  perform clinical.require_reason(p_reason, 'a vaccination that was not given');
  perform pg_advisory_xact_lock(
    hashtextextended('clinical.vaccination' || v_tenant || p_patient_id || p_vaccine_code, 0)
  );
  select r.* into v_row
  from clinical.vaccination_records r
  where
    r.tenant_id = v_tenant and r.patient_id = p_patient_id and r.vaccine_code = p_vaccine_code
    and r.series is not distinct from p_series and r.dose_number = p_dose_number
    and r.status in ('planned', 'completed', 'not_done') and r.deleted_at is null
  order by case r.status when 'completed' then 1 when 'not_done' then 2 else 3 end
  limit 1;
  if v_row.status = 'completed' then
    raise exception 'dose % of patient % was given', p_dose_number, p_patient_id
      using errcode = 'IM001', hint = 'what was given cannot be refused';
  end if;
  if v_row.status = 'not_done' then
    return v_row; -- asked again
  end if;
  if v_row.id is null then
    insert into clinical.vaccination_records (
      tenant_id, patient_id, vaccine_code, vaccine_name, dose_number, series
    )
    values (v_tenant, p_patient_id, p_vaccine_code, p_vaccine_name, p_dose_number, p_series)
    returning * into v_row;
  end if;
  update clinical.vaccination_records r
  set status = 'not_done', not_done_reason = p_reason
  where r.tenant_id = v_tenant and r.id = v_row.id
  returning r.* into v_row;
  return v_row;
end
$$;

comment on function clinical.refuse_vaccination(uuid, text, text, int, text, text) is 'about=A dose was not given, with the reason; it may be given later. Asked again: the same record. IM001 it was given, IM002 no reason.';
