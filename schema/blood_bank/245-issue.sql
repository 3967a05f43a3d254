-- A unit leaves the blood bank, and may come back.

create function blood_bank.count_issued(p_request blood_bank.blood_requests, p_change int) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  update blood_bank.blood_requests r
  set
    units_issued = r.units_issued + p_change,
    status = case
      when r.status = 'closed' then 'closed'
      when r.units_issued + p_change = 0 then 'accepted'
      when r.units_issued + p_change = r.units_requested then 'fulfilled'
      else 'partially_issued'
    end
  where r.tenant_id = p_request.tenant_id and r.id = p_request.id;
end
$$;

comment on function blood_bank.count_issued(blood_bank.blood_requests, int) is 'about=Changes the count of a request that the caller has locked; its state follows.';

create function blood_bank.last_word(
  p_request blood_bank.blood_requests,
  p_at timestamptz,
  out permits boolean,
  out said_at timestamptz
) returns record
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_people uuid[] := patient.ids_of(p_request.patient_id);
begin
  select w.permits and not w.is_taken_back, w.said_at into permits, said_at
  from (
    select
      c.decision = 'permit' as permits,
      coalesce(c.withdrawn_at <= p_at, false) as is_taken_back,
      case when c.withdrawn_at <= p_at then c.withdrawn_at else c.given_at end as said_at,
      c.expires_at
    from compliance.consents c
    where
      c.tenant_id = p_request.tenant_id and c.patient_id = any (v_people) and c.kind = 'transfusion'
      and c.status in ('active', 'withdrawn', 'expired') and c.given_at <= p_at
      and (c.encounter_id is null or c.encounter_id = p_request.encounter_id)
  ) w
  where
    -- who takes a consent back refuses; who takes a denial back has said nothing
    case when w.is_taken_back then w.permits else w.expires_at is null or w.expires_at > p_at end
  order by w.said_at desc, 1
  limit 1;
end
$$;

comment on function blood_bank.last_word(blood_bank.blood_requests, timestamptz) is 'about=What the patient had said last on transfusions by an instant, for the encounter or for any, and when: given, denied or taken back. Null and null where nothing is in force.';

create function blood_bank.consent_warning(p_request blood_bank.blood_requests, p_at timestamptz) returns text
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_word record := blood_bank.last_word(p_request, p_at);
begin
  -- a request that named a consent rests on it
  if coalesce(v_word.permits, p_request.consent_id is null) then
    return null;
  end if;
  -- the doctor answers for what was known, not for what the patient says afterwards
  if p_request.emergency_release_at is null or p_request.emergency_release_at < v_word.said_at then
    raise exception 'the patient of request % does not consent to a transfusion any more', p_request.id
      using errcode = 'IM006', hint = 'record a new consent of kind transfusion, or have a doctor order emergency release';
  end if;
  return 'without_consent';
end
$$;

comment on function blood_bank.consent_warning(blood_bank.blood_requests, timestamptz) is 'about=Null when the patient permits a transfusion at an instant, or nothing is in force and the request named no consent; without_consent when a doctor answers for it, who ordered emergency release after the refusal. IM006 else.';

create function blood_bank.issue_unit(
  p_component_id uuid,
  p_request_id uuid,
  p_issued_by uuid,
  p_received_by uuid,
  p_label_check_by uuid,
  p_reason text default null
) returns blood_bank.blood_issues
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_unit blood_bank.blood_components := blood_bank.lock_unit(p_component_id);
  v_request blood_bank.blood_requests := blood_bank.lock_request(p_request_id);
  v_group text;
  v_crossmatch blood_bank.crossmatches;
  v_warnings text[] := '{}';
  v_issue blood_bank.blood_issues;
begin
  select i.* into v_issue
  from blood_bank.blood_issues i
  where
    i.tenant_id = v_unit.tenant_id and i.component_id = v_unit.id
    and i.status in ('issued', 'transfusing', 'stopped', 'completed');
  if found then
    if v_issue.request_id = p_request_id then
      return v_issue;
    end if;
    raise exception 'unit % is issued', p_component_id
      using errcode = 'IM354', hint = 'choose another unit';
  end if;
  v_warnings := array[blood_bank.consent_warning(v_request, now())];
  v_unit := blood_bank.keep_unit(v_unit, v_request, p_issued_by, p_reason);
  perform blood_bank.check_request_takes(v_unit, v_request);
  perform blood_bank.check_in_date(v_unit);
  v_group := (blood_bank.recipient_group(v_request.patient_id)).blood_group;
  v_warnings := v_warnings || array[
    blood_bank.check_match(p_component_id, p_request_id, v_group),
    case when v_group is null then 'group_unconfirmed' end
  ];

  if blood_bank.needs_crossmatch(v_unit.component) then
    select x.* into v_crossmatch
    from blood_bank.crossmatches x
    where
      x.tenant_id = v_unit.tenant_id and x.request_id = p_request_id and x.component_id = p_component_id
      and x.status = 'compatible' and x.valid_until > now()
    for no key update;
    if v_request.emergency_release_by is null
      and (v_crossmatch.id is null or v_crossmatch.result = 'least_incompatible') then
      raise exception 'unit % has no valid compatible crossmatch for request %', p_component_id, p_request_id
        using errcode = 'IM353', hint = 'crossmatch again, or have a doctor order emergency release';
    end if;
    if v_crossmatch.id is null and exists (
      select
      from blood_bank.crossmatches x
      where
        x.tenant_id = v_unit.tenant_id and x.component_id = p_component_id and x.patient_id = v_request.patient_id
        and x.status = 'incompatible'
    ) then
      raise exception 'unit % was found incompatible with the recipient of request %', p_component_id, p_request_id
        using errcode = 'IM353', hint = 'choose another unit; emergency release is for units that were not tested';
    end if;
    v_warnings := v_warnings || case
      when v_crossmatch.id is null then 'not_crossmatched'
      when v_crossmatch.result = 'least_incompatible' then 'least_incompatible'
    end;
  end if;
  if v_crossmatch.id is not null then
    update blood_bank.crossmatches x
    set status = 'used'
    where x.tenant_id = v_crossmatch.tenant_id and x.id = v_crossmatch.id;
  end if;
  perform blood_bank.release_crossmatches(v_unit, 'expired');

  perform blood_bank.move_unit(
    v_unit, 'issued', p_issued_by, p_reason, p_second_actor_id => p_received_by
  );
  perform blood_bank.count_issued(v_request, 1);
  insert into blood_bank.blood_issues as i (
    tenant_id, issue_number, component_id, request_id, crossmatch_id, patient_id, issued_by, received_by,
    label_check_by, warnings
  )
  values (
    v_unit.tenant_id, core.next_default_number('blood_issue', '', 'BI-{YY}-'), p_component_id, p_request_id,
    v_crossmatch.id, v_request.patient_id, p_issued_by, p_received_by, p_label_check_by,
    array_remove(v_warnings, null)
  )
  returning i.* into v_issue;
  return v_issue;
end
$$;

comment on function blood_bank.issue_unit(uuid, uuid, uuid, uuid, uuid, text) is 'about=Hands a unit over for a patient; it is reserved on the way when it was available. Red cells leave on a valid compatible crossmatch, or on the emergency release of a named doctor, and nothing without it against the newest word of the patient; what was accepted knowingly is in warnings. Issued again for the same request: the same issue. IM002 another unit of the group expires earlier and no reason is given, IM005 no such unit or request, IM006 the patient denied or withdrew, IM351 expires before a transfusion could end, IM352 does not suit, IM353 no valid crossmatch, IM354 issued or kept for somebody else, IM355 the group is unconfirmed, IM360 the request takes no more.';

create function blood_bank.end_issue(p_issue blood_bank.blood_issues, p_reason text) returns blood_bank.blood_issues
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_issue blood_bank.blood_issues;
begin
  perform core.set_reason(p_reason);
  update blood_bank.blood_issues i
  set status = 'returned', returned_at = now(), return_reason = p_reason
  where i.tenant_id = p_issue.tenant_id and i.id = p_issue.id
  returning i.* into v_issue;
  update blood_bank.crossmatches x
  set status = 'released'
  where x.tenant_id = p_issue.tenant_id and x.id = p_issue.crossmatch_id and x.status = 'used';
  perform blood_bank.count_issued(blood_bank.lock_request(p_issue.request_id), -1);
  return v_issue;
end
$$;

comment on function blood_bank.end_issue(blood_bank.blood_issues, text) is 'about=Ends an issue, unused, that the caller has locked; its crossmatch is released and the request may be served again. IM001 the transfusion has begun.';

create function blood_bank.return_unit(
  p_issue_id uuid,
  p_minutes_out int,
  p_seal_intact boolean,
  p_returned_by uuid,
  p_taken_back_by uuid,
  p_reason text,
  p_temperature_c numeric default null
) returns blood_bank.blood_issues
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_issue blood_bank.blood_issues := blood_bank.lock_issue(p_issue_id);
  v_limit int := least(30, blood_bank.limit_of('bloodbank.rules', 'return_minutes')::int);
  -- nothing records a refrigerator outside the blood bank: from its issue on a unit is out
  v_minutes int := greatest(p_minutes_out, floor(extract(epoch from now() - v_issue.issued_at) / 60));
  v_unit blood_bank.blood_components;
begin
  if v_issue.status = 'returned' then
    return v_issue;
  end if;
  if nullif(btrim(p_reason), '') is null then
    raise exception 'the return of issue % needs a reason', p_issue_id
      using errcode = 'IM002', hint = 'say in p_reason why the unit was not given';
  end if;
  if v_issue.status = 'issued' and (
    p_minutes_out is null or p_minutes_out < 0 or v_minutes > v_limit or p_seal_intact is distinct from true
  ) then
    raise exception 'issue % cannot come back into stock: % minutes out, seal intact: %', p_issue_id, v_minutes, p_seal_intact
      using errcode = 'IM357', hint = 'discard the unit with blood_bank.discard_unit';
  end if;
  v_issue := blood_bank.end_issue(v_issue, p_reason);
  v_unit := blood_bank.move_unit(
    blood_bank.lock_unit(v_issue.component_id), 'returned', p_taken_back_by, p_reason,
    p_second_actor_id => p_returned_by, p_minutes_out => v_minutes, p_temperature_c => p_temperature_c
  );
  perform blood_bank.move_unit(v_unit, 'available', p_taken_back_by, p_reason, p_minutes_out => v_minutes);
  return v_issue;
end
$$;

comment on function blood_bank.return_unit(uuid, int, boolean, uuid, uuid, text, numeric) is 'about=A unit that was not begun comes back into stock: at most 30 minutes out of storage and after its issue (setting bloodbank.rules.return_minutes may say less), seal intact. The request may be served again. Asked again: the same issue. IM001 the transfusion has begun, IM002 no reason, IM005 no such issue, IM357 too long out or the seal is broken: discard it.';

create function blood_bank.discard_unit(p_component_id uuid, p_reason_code text, p_discarded_by uuid)
  returns blood_bank.blood_components
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_donation blood_bank.donations;
  v_unit blood_bank.blood_components;
  v_issue blood_bank.blood_issues;
begin
  -- the donation before its units; a unit never changes its donation
  select d.* into v_donation
  from blood_bank.donations d
  where
    d.tenant_id = v_tenant
    and d.id = (
      select c.donation_id
      from blood_bank.blood_components c
      where c.tenant_id = v_tenant and c.id = p_component_id
    )
  for no key update;
  v_unit := blood_bank.lock_unit(p_component_id);
  if v_unit.status = 'discarded' then
    return v_unit;
  end if;
  if nullif(btrim(p_reason_code), '') is null then
    raise exception 'unit % needs a reason to be discarded', p_component_id
      using errcode = 'IM002', hint = 'say why in p_reason_code';
  end if;
  if v_unit.status = 'issued' then
    select i.* into v_issue
    from blood_bank.blood_issues i
    where
      i.tenant_id = v_unit.tenant_id and i.component_id = v_unit.id and i.status in ('issued', 'transfusing', 'stopped');
    v_issue := blood_bank.end_issue(blood_bank.lock_issue(v_issue.id), p_reason_code);
  end if;
  perform blood_bank.release_crossmatches(v_unit, 'released');
  v_unit := blood_bank.move_unit(v_unit, 'discarded', p_discarded_by, p_reason_code);
  if v_donation.status = 'quarantined' and not exists (
    select
    from blood_bank.blood_components c
    where c.tenant_id = v_tenant and c.donation_id = v_donation.id and c.status <> 'discarded'
  ) then
    update blood_bank.donations d
    set status = 'discarded'
    where d.tenant_id = v_tenant and d.id = v_donation.id;
  end if;
  return v_unit;
end
$$;

comment on function blood_bank.discard_unit(uuid, text, uuid) is 'about=A unit is destroyed; one that was issued and not begun comes off its request. A donation in quarantine whose last unit is destroyed is discarded. IM001 it was transfused or is running, IM002 no reason, IM005 no such unit.';
