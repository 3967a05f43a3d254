-- Imaging examinations, from the order to the pictures.

create function clinical.lock_imaging_study(p_study_id uuid) returns clinical.imaging_studies
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_study clinical.imaging_studies;
begin
  select s.* into v_study
  from clinical.imaging_studies s
  where s.tenant_id = core.require_tenant() and s.id = p_study_id
  for no key update;
  if not found then
    raise exception 'imaging study % does not exist', p_study_id
      using errcode = 'IM005', hint = 'register it with clinical.register_imaging_study';
  end if;
  return v_study;
end
$$;

comment on function clinical.lock_imaging_study(uuid) is 'about=An imaging study of the tenant, locked. IM003 no tenant, IM005 no such study.';

create function clinical.register_imaging_study(
  p_order_id uuid,
  p_modality text,
  p_body_site text,
  p_laterality text default null,
  p_is_obstetric boolean default false,
  p_scheduled_at timestamptz default null
) returns clinical.imaging_studies
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_order clinical.service_requests := clinical.lock_order(p_order_id);
  v_study clinical.imaging_studies;
begin
  select s.* into v_study
  from clinical.imaging_studies s
  where
    s.tenant_id = v_order.tenant_id and s.service_request_id = p_order_id and s.modality = p_modality
    and s.body_site = p_body_site and s.status not in ('cancelled', 'discontinued');
  if found then
    return v_study; -- asked again
  end if;
  if v_order.category <> 'imaging' or v_order.status <> 'active' then
    raise exception 'order % is % and of category "%"', p_order_id, v_order.status, v_order.category
      using errcode = 'IM001', hint = 'a study is registered for an active order of imaging';
  end if;
  insert into clinical.imaging_studies (
    tenant_id, accession_number, service_request_id, patient_id, encounter_id, modality, body_site, laterality,
    is_obstetric, scheduled_at
  )
  values (
    v_order.tenant_id, core.next_default_number('accession', 'imaging', 'RAD-{YY}-'), p_order_id, v_order.patient_id,
    v_order.encounter_id, p_modality, p_body_site, p_laterality, p_is_obstetric, p_scheduled_at
  )
  returning * into v_study;
  if p_scheduled_at is not null then
    update clinical.imaging_studies s
    set status = 'scheduled'
    where s.tenant_id = v_study.tenant_id and s.id = v_study.id
    returning s.* into v_study;
  end if;
  return v_study;
end
$$;

comment on function clinical.register_imaging_study(uuid, text, text, text, boolean, timestamptz) is 'about=Registers an examination for an active order of imaging, scheduled when a time is given. Asked again for the same modality and part of the body: the same study. IM001 no active order of imaging, IM005 no such order.';

create function clinical.move_imaging_study(p_study_id uuid, p_status text, p_reason text default null)
  returns clinical.imaging_studies
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_study clinical.imaging_studies := clinical.lock_imaging_study(p_study_id);
begin
  if v_study.status = p_status then
    return v_study;
  end if;
  if p_status not in ('arrived', 'in_progress', 'acquired', 'archived', 'cancelled', 'discontinued') then
    raise exception 'a study is not moved to "%"', p_status
      using errcode = '22023', hint = 'use arrived, in_progress, acquired, archived, cancelled or discontinued';
  end if;
  if p_status in ('cancelled', 'discontinued') then
    perform clinical.require_reason(p_reason, 'giving up an examination');
  end if;
  update clinical.imaging_studies s
  set
    status = p_status,
    started_at = case when p_status = 'in_progress' then now() else s.started_at end,
    ended_at = case when p_status in ('acquired', 'discontinued') then now() else s.ended_at end,
    performed_by = case when p_status = 'in_progress' then workforce.acting_staff_id() else s.performed_by end
  where s.tenant_id = v_study.tenant_id and s.id = p_study_id
  returning s.* into v_study;
  return v_study;
end
$$;

comment on function clinical.move_imaging_study(uuid, text, text) is 'about=The patient arrived, the examination is in_progress, acquired, archived, cancelled or discontinued (both with a reason); who begins it is who performs it. Asked again: nothing changes. IM001 not from its state, IM002 no reason, IM005 no such study, IM006 the user is no member of staff, 23514 (imaging_studies_obstetric_has_form_f) an ultrasound of a pregnancy without Form F.';
