-- Requests of persons about their data: received, identity made sure, handled, answered before the clock runs out.

create function compliance.lock_request(p_request_id uuid) returns compliance.data_principal_requests
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_request compliance.data_principal_requests;
begin
  select r.* into v_request
  from compliance.data_principal_requests r
  where r.tenant_id = v_tenant and r.id = p_request_id
  for no key update;
  if not found then
    raise exception 'request % does not exist', p_request_id
      using errcode = 'IM005', hint = 'choose a request of the tenant';
  end if;
  return v_request;
end
$$;

comment on function compliance.lock_request(uuid) is 'about=The request, locked until the transaction ends. IM005 no such request.';

create function compliance.move_request(p_request compliance.data_principal_requests, p_status text)
  returns compliance.data_principal_requests
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_request compliance.data_principal_requests;
begin
  update compliance.data_principal_requests r
  set status = p_status, handled_by = coalesce(core.current_user_id(), r.handled_by)
  where r.tenant_id = p_request.tenant_id and r.id = p_request.id
  returning r.* into v_request;
  return v_request;
end
$$;

comment on function compliance.move_request(compliance.data_principal_requests, text) is 'about=Moves a request that the caller has locked; the signed-in user handles it. IM001 the state machine has no such move.';

create function compliance.request_clock(p_kind text) returns interval
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    (core.setting('compliance.request_clocks') ->> p_kind)::interval,
    case p_kind when 'record_copy' then interval '72 hours' when 'grievance' then interval '90 days' else interval '30 days' end
  )
$$;

comment on function compliance.request_clock(text) is 'about=How long a kind of request may take: setting compliance.request_clocks, else 72 hours for copies of records, 90 days for grievances and 30 days for all else.';

create function compliance.open_request(
  p_kind text,
  p_channel text,
  p_requester_name text,
  p_details_enc bytea,
  p_patient_id uuid default null,
  p_relationship text default null,
  p_received_at timestamptz default now(),
  p_id uuid default null
) returns compliance.data_principal_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_request compliance.data_principal_requests;
begin
  select r.* into v_request
  from compliance.data_principal_requests r
  where r.tenant_id = v_tenant and r.id = p_id;
  if found then
    if v_request.kind <> p_kind or v_request.patient_id is distinct from p_patient_id then
      raise exception 'request % is another one', p_id using errcode = 'IM011', hint = 'choose a new id for a new request';
    end if;
    return v_request;
  end if;
  insert into compliance.data_principal_requests (
    tenant_id, id, request_number, patient_id, requester_name, relationship, kind, channel, received_at, due_at,
    details_enc
  )
  values (
    v_tenant, coalesce(p_id, core.uuid_v7()), core.next_default_number('data_request', '', 'DPR-{YY}-'), p_patient_id,
    p_requester_name, p_relationship, p_kind, p_channel, p_received_at,
    p_received_at + compliance.request_clock(p_kind), p_details_enc
  )
  returning * into v_request;
  return v_request;
end
$$;

comment on function compliance.open_request(text, text, text, bytea, uuid, text, timestamptz, uuid) is 'about=A request was received; its clock runs from then. IM003 no tenant, IM011 the id is another request''s.';

create function compliance.begin_request_check(p_request_id uuid) returns compliance.data_principal_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_request compliance.data_principal_requests := compliance.lock_request(p_request_id);
begin
  if v_request.status = 'verifying' then
    return v_request;
  end if;
  return compliance.move_request(v_request, 'verifying');
end
$$;

comment on function compliance.begin_request_check(uuid) is 'about=The signed-in user makes sure who asks. IM001 not just received, IM005 no such request.';

create function compliance.confirm_requester(p_request_id uuid, p_patient_id uuid default null)
  returns compliance.data_principal_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_request compliance.data_principal_requests := compliance.lock_request(p_request_id);
begin
  if v_request.status = 'in_progress' then
    return v_request;
  end if;
  if v_request.status = 'received' then
    v_request := compliance.move_request(v_request, 'verifying');
  end if;
  update compliance.data_principal_requests r
  set
    status = 'in_progress', identity_verified_at = coalesce(r.identity_verified_at, now()),
    patient_id = coalesce(r.patient_id, p_patient_id), handled_by = coalesce(core.current_user_id(), r.handled_by)
  where r.tenant_id = v_request.tenant_id and r.id = v_request.id
  returning r.* into v_request;
  return v_request;
end
$$;

comment on function compliance.confirm_requester(uuid, uuid) is 'about=It is sure who asks, and about which patient: the request is handled, also again after it was on hold. IM001 answered already, IM005 no such request.';

create function compliance.hold_request(p_request_id uuid, p_reason text) returns compliance.data_principal_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_request compliance.data_principal_requests := compliance.lock_request(p_request_id);
begin
  if v_request.status = 'on_hold' then
    return v_request;
  end if;
  perform compliance.require_reason(p_reason, 'holding request ' || p_request_id);
  return compliance.move_request(v_request, 'on_hold');
end
$$;

comment on function compliance.hold_request(uuid, text) is 'about=Something is missing; the clock goes on, and compliance.confirm_requester takes it up again. IM001 not in progress, IM002 no reason, IM005 no such request.';

create function compliance.reject_request(p_request_id uuid, p_reason text) returns compliance.data_principal_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_request compliance.data_principal_requests := compliance.lock_request(p_request_id);
begin
  if v_request.status = 'rejected' then
    return v_request;
  end if;
  perform compliance.require_reason(p_reason, 'rejecting request ' || p_request_id);
  return compliance.move_request(v_request, 'rejected');
end
$$;

comment on function compliance.reject_request(uuid, text) is 'about=It could not be made sure who asks. IM001 being handled already: then it is completed, if need be as refused, IM002 no reason, IM005 no such request.';

create function compliance.complete_request(
  p_request_id uuid,
  p_decision text,
  p_refusal_basis text default null,
  p_response_document_id uuid default null
) returns compliance.data_principal_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_request compliance.data_principal_requests := compliance.lock_request(p_request_id);
begin
  if v_request.status = 'completed' then
    return v_request;
  end if;
  if v_request.kind = 'erasure' and p_decision <> 'refused' then
    raise exception 'request % is granted by erasing', p_request_id
      using errcode = 'IM006', hint = 'call compliance.run_erasure: it completes the request';
  end if;
  update compliance.data_principal_requests r
  set
    status = 'completed', completed_at = now(), decision = p_decision, refusal_basis = p_refusal_basis,
    response_document_id = p_response_document_id, handled_by = coalesce(core.current_user_id(), r.handled_by)
  where r.tenant_id = v_request.tenant_id and r.id = v_request.id
  returning r.* into v_request;
  return v_request;
end
$$;

comment on function compliance.complete_request(uuid, text, text, uuid) is 'about=The request is answered: granted, partially_granted, or refused on a legal basis (data_principal_requests_refused_on_a_basis). An erasure is granted by compliance.run_erasure alone. IM001 not in progress, IM005 no such request, IM006 an erasure.';

create function compliance.escalate_request(p_request_id uuid) returns compliance.data_principal_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_request compliance.data_principal_requests := compliance.lock_request(p_request_id);
begin
  if v_request.escalated_to_board then
    return v_request;
  end if;
  update compliance.data_principal_requests r
  set escalated_to_board = true
  where r.tenant_id = v_request.tenant_id and r.id = v_request.id
  returning r.* into v_request;
  return v_request;
end
$$;

comment on function compliance.escalate_request(uuid) is 'about=The person went to the Data Protection Board. IM005 no such request.';
