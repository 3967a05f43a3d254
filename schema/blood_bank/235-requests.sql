-- Requests: asked for by a doctor, accepted or refused by the blood bank.

create function blood_bank.request_blood(
  p_patient_id uuid,
  p_encounter_id uuid,
  p_component text,
  p_units int,
  p_indication text,
  p_requested_by uuid,
  p_urgency text default 'routine',
  p_required_by timestamptz default now(),
  p_hb_g_dl numeric default null,
  p_sample_id uuid default null,
  p_consent_id uuid default null,
  p_service_request_id uuid default null,
  p_key text default null
) returns blood_bank.blood_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_people uuid[] := patient.ids_of(p_patient_id);
  v_claim record;
  v_request blood_bank.blood_requests;
begin
  if p_key is not null then
    v_claim := core.idempotent_begin(
      'blood_bank.request_blood', p_key,
      sha256(convert_to(
        jsonb_build_array(p_patient_id, p_encounter_id, p_component, p_units, p_urgency, p_indication)::text, 'UTF8'
      ))
    );
    if v_claim.state = 'done' then
      select r.* into v_request
      from blood_bank.blood_requests r
      where r.tenant_id = v_tenant and r.id = (v_claim.response ->> 'request_id')::uuid;
      return v_request;
    end if;
  end if;

  if not exists (
    select
    from clinical.encounters e
    where e.tenant_id = v_tenant and e.id = p_encounter_id and e.patient_id = p_patient_id
  ) then
    raise exception 'encounter % is not of patient %', p_encounter_id, p_patient_id
      using errcode = 'IM005', hint = 'choose an encounter of the patient';
  end if;
  if p_consent_id is not null and not exists (
    select
    from compliance.consents c
    where
      c.tenant_id = v_tenant and c.id = p_consent_id and c.patient_id = any (v_people)
      and c.kind = 'transfusion' and c.decision = 'permit' and c.status = 'active'
      and (c.expires_at is null or c.expires_at > now())
      and (c.encounter_id is null or c.encounter_id = p_encounter_id)
      and not exists (
        select
        from compliance.consents d
        where
          d.tenant_id = c.tenant_id and d.patient_id = any (v_people) and d.kind = c.kind and d.decision = 'deny'
          and d.status = 'active' and d.given_at >= c.given_at
          and (d.encounter_id is null or d.encounter_id = p_encounter_id)
      )
  ) then
    raise exception 'consent % does not permit a transfusion of patient %', p_consent_id, p_patient_id
      using errcode = 'IM006', hint = 'record an active consent of kind transfusion, for the patient or for this encounter';
  end if;
  if p_sample_id is not null then
    perform blood_bank.sample_of(p_sample_id, p_patient_id);
  end if;

  insert into blood_bank.blood_requests as r (
    tenant_id, request_number, service_request_id, patient_id, encounter_id, component, units_requested, urgency,
    indication, hb_g_dl, required_by, sample_id, requested_by, consent_id
  )
  values (
    v_tenant, core.next_default_number('blood_request', '', 'BR-{YY}-'), p_service_request_id, p_patient_id,
    p_encounter_id, p_component, p_units, p_urgency, p_indication, p_hb_g_dl, p_required_by, p_sample_id,
    p_requested_by, p_consent_id
  )
  returning r.* into v_request;
  if p_key is not null then
    perform core.idempotent_finish(
      'blood_bank.request_blood', p_key, jsonb_build_object('request_id', v_request.id)
    );
  end if;
  return v_request;
end
$$;

comment on function blood_bank.request_blood(uuid, uuid, text, int, text, uuid, text, timestamptz, numeric, uuid, uuid, uuid, text) is 'about=A doctor asks for 1 to 40 units of a component for a patient. Same p_key and content, same request. IM005 no such encounter or sample of the patient, IM006 the consent is of another patient or encounter, or not in force, or was denied since, IM010, IM011, IM353 the sample is not collected.';

create function blood_bank.order_emergency_release(p_request_id uuid, p_doctor_id uuid, p_reason text)
  returns blood_bank.blood_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_request blood_bank.blood_requests := blood_bank.lock_request(p_request_id);
  v_word record := blood_bank.last_word(v_request, now());
begin
  if
    v_request.emergency_release_by = p_doctor_id
    and (coalesce(v_word.permits, true) or v_word.said_at <= v_request.emergency_release_at)
  then
    return v_request;
  end if;
  if nullif(btrim(p_reason), '') is null then
    raise exception 'emergency release of request % needs a reason', p_request_id
      using errcode = 'IM002', hint = 'say in p_reason why the patient cannot wait';
  end if;
  -- of a fulfilled request units may be out that wait for the transfusion
  if v_request.status not in ('requested', 'accepted', 'partially_issued', 'fulfilled') then
    raise exception 'blood request % is %', p_request_id, v_request.status
      using errcode = 'IM360', hint = 'make a new request';
  end if;
  perform core.set_reason(p_reason);
  update blood_bank.blood_requests r
  set emergency_release_by = p_doctor_id, emergency_release_at = now(), emergency_reason = p_reason
  where r.tenant_id = v_request.tenant_id and r.id = v_request.id
  returning r.* into v_request;
  return v_request;
end
$$;

comment on function blood_bank.order_emergency_release(uuid, uuid, text) is 'about=A named doctor takes the responsibility for units of a request that have no compatible crossmatch, or that differ in RhD, or that the patient has refused until now. The same doctor again: the same release, unless the patient has refused since. IM002 no reason, IM005 no such request, IM360 the request is over.';

create function blood_bank.accept_request(p_request_id uuid) returns blood_bank.blood_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_request blood_bank.blood_requests := blood_bank.lock_request(p_request_id);
begin
  if v_request.status in ('accepted', 'partially_issued', 'fulfilled') then
    return v_request;
  end if;
  if v_request.urgency = 'emergency_uncrossmatched' and v_request.emergency_release_by is null then
    raise exception 'request % asks for uncrossmatched units and no doctor ordered their release', p_request_id
      using errcode = 'IM353', hint = 'call blood_bank.order_emergency_release';
  end if;
  update blood_bank.blood_requests r
  set status = 'accepted'
  where r.tenant_id = v_request.tenant_id and r.id = v_request.id
  returning r.* into v_request;
  return v_request;
end
$$;

comment on function blood_bank.accept_request(uuid) is 'about=The blood bank takes a request on. IM001 it is over, IM005 no such request, IM353 uncrossmatched units without the release of a doctor.';

create function blood_bank.end_request(p_request_id uuid, p_status text, p_reason text) returns blood_bank.blood_requests
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_unit blood_bank.blood_components;
  v_request blood_bank.blood_requests;
begin
  if nullif(btrim(p_reason), '') is null then
    raise exception 'request % needs a reason to be %', p_request_id, p_status
      using errcode = 'IM002', hint = 'say why in p_reason';
  end if;
  -- units before the request, as everywhere
  for v_unit in
    select c.*
    from blood_bank.blood_components c
    where c.tenant_id = v_tenant and c.reserved_for_request_id = p_request_id
    order by c.id
    for no key update
  loop
    perform blood_bank.release_crossmatches(v_unit, 'released');
    perform blood_bank.move_unit(v_unit, 'available', null, p_status);
  end loop;
  v_request := blood_bank.lock_request(p_request_id);
  -- it waited behind somebody who kept one more: that unit may not be locked behind the request
  if exists (
    select
    from blood_bank.blood_components c
    where c.tenant_id = v_tenant and c.reserved_for_request_id = p_request_id
  ) then
    raise exception 'a unit was kept for request % meanwhile', p_request_id
      using errcode = '40001', hint = 'repeat the transaction';
  end if;
  if v_request.status = p_status then
    return v_request;
  end if;
  perform core.set_reason(p_reason);
  update blood_bank.blood_requests r
  set status = p_status, status_reason = p_reason
  where r.tenant_id = v_tenant and r.id = p_request_id
  returning r.* into v_request;
  return v_request;
end
$$;

comment on function blood_bank.end_request(uuid, text, text) is 'about=Ends a request and frees the units that are kept for it. IM001, IM002, IM005; 40001 one more was kept meanwhile, then ask again.';

create function blood_bank.reject_request(p_request_id uuid, p_reason text) returns blood_bank.blood_requests
  language sql
  security definer
  set search_path = pg_catalog, pg_temp
as $$ select blood_bank.end_request(p_request_id, 'rejected', p_reason) $$;

comment on function blood_bank.reject_request(uuid, text) is 'about=The blood bank does not take a request on. IM001 accepted already, IM002 no reason, IM005 no such request.';

create function blood_bank.cancel_request(p_request_id uuid, p_reason text) returns blood_bank.blood_requests
  language sql
  security definer
  set search_path = pg_catalog, pg_temp
as $$ select blood_bank.end_request(p_request_id, 'cancelled', p_reason) $$;

comment on function blood_bank.cancel_request(uuid, text) is 'about=A request of which nothing is issued is not needed any more; its units are free again. IM001 units are issued, IM002 no reason, IM005 no such request.';

create function blood_bank.close_request(p_request_id uuid, p_reason text) returns blood_bank.blood_requests
  language sql
  security definer
  set search_path = pg_catalog, pg_temp
as $$ select blood_bank.end_request(p_request_id, 'closed', p_reason) $$;

comment on function blood_bank.close_request(uuid, text) is 'about=No more units are needed than were issued; the others are free again. IM001 not partially issued, IM002 no reason, IM005 no such request.';
