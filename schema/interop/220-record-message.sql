-- Messages come in and are queued to go out. The same control id is the same message.

create function interop.add_message(
  p_direction text,
  p_endpoint_id uuid,
  p_control_id text,
  p_message_type text,
  p_trigger_event text,
  p_raw_enc bytea,
  p_raw_hash bytea,
  p_message_at timestamptz,
  p_version_id text,
  p_processing_id text,
  p_patient_id uuid,
  p_subject_type text,
  p_subject_id uuid
) returns interop.hl7_messages
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_endpoint interop.endpoints;
  v_operation text := 'hl7:' || p_direction || ':' || p_endpoint_id;
  v_key text := 'control:' || case -- keys have 200 characters at most
    when length(p_control_id) <= 190 then p_control_id else encode(sha256(convert_to(p_control_id, 'UTF8')), 'hex') end;
  v_claim record;
  v_message interop.hl7_messages;
begin
  select e.* into v_endpoint
  from interop.endpoints e
  where e.tenant_id = v_tenant and e.id = p_endpoint_id;
  if not found then
    raise exception 'endpoint % does not exist', p_endpoint_id
      using errcode = 'IM005', hint = 'choose an endpoint of the tenant';
  end if;
  if v_endpoint.status <> 'active' or v_endpoint.direction not in (p_direction, 'both') then
    raise exception 'endpoint % is % and takes no messages "%"', p_endpoint_id, v_endpoint.status, p_direction
      using errcode = 'IM802', hint = 'activate it, or use an endpoint of that direction';
  end if;

  begin -- a second delivery at the same moment waits here for the first
    v_claim := core.idempotent_begin(v_operation, v_key, p_raw_hash);
  exception
    when sqlstate 'IM011' then
      raise exception 'control id "%" of endpoint % was used with another text', p_control_id, p_endpoint_id
        using errcode = 'IM801', hint = 'have the sender give each message its own control id';
  end;
  -- the key is kept for two days, the message for years
  select m.* into v_message
  from interop.hl7_messages m
  where
    m.tenant_id = v_tenant and m.endpoint_id = p_endpoint_id and m.direction = p_direction
    and m.control_id = p_control_id and m.replay_of_id is null
    and m.received_at > now() - make_interval(days => interop.control_id_days())
  order by m.received_at desc
  limit 1;
  if found then
    if v_message.raw_hash is distinct from p_raw_hash then
      raise exception 'control id "%" of endpoint % was used with another text', p_control_id, p_endpoint_id
        using errcode = 'IM801', hint = 'have the sender give each message its own control id';
    end if;
  else
    insert into interop.hl7_messages as m (
      tenant_id, endpoint_id, direction, control_id, message_type, trigger_event, version_id, processing_id, message_at,
      raw_enc, raw_hash, patient_id, subject_type, subject_id, next_attempt_at
    )
    values (
      v_tenant, p_endpoint_id, p_direction, p_control_id, p_message_type, p_trigger_event, p_version_id,
      p_processing_id, p_message_at, p_raw_enc, p_raw_hash, p_patient_id, p_subject_type, p_subject_id, now()
    )
    returning m.* into v_message;
  end if;
  if v_claim.state = 'new' then
    perform core.idempotent_finish(v_operation, v_key, jsonb_build_object('message_id', v_message.id));
  end if;
  return v_message;
end
$$;

comment on function interop.add_message(text, uuid, text, text, text, bytea, bytea, timestamptz, text, text, uuid, text, uuid) is 'about=The message of a control id: the one that is there, or a new one in state received. IM005, IM010, IM801, IM802.';

create function interop.control_id_days() returns int
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$ select coalesce((core.setting('interop.control_id_days') #>> '{}')::int, 90) $$;

comment on function interop.control_id_days() is 'about=Setting interop.control_id_days (default 90): how long a sender may not use a control id again.';

create function interop.takes(p_message_types text[], p_message_type text, p_trigger_event text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select p_message_types = '{}' or p_message_types && array[p_message_type, p_message_type || '^' || p_trigger_event]
$$;

comment on function interop.takes(text[], text, text) is 'about=True when an endpoint with this list takes the type: an entry names a type, or a type and event as in ADT^A01.';

create function interop.record_message(
  p_endpoint_id uuid,
  p_control_id text,
  p_message_type text,
  p_trigger_event text,
  p_raw_enc bytea,
  p_raw_hash bytea,
  p_message_at timestamptz default now(),
  p_version_id text default '2.5.1',
  p_processing_id text default 'P'
) returns interop.hl7_messages
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_message interop.hl7_messages := interop.add_message(
    'in', p_endpoint_id, p_control_id, p_message_type, p_trigger_event, p_raw_enc, p_raw_hash, p_message_at,
    p_version_id, p_processing_id, null, null, null
  );
  v_types text[];
  v_mode text;
begin
  if v_message.status <> 'received' or v_message.ack_code is not null then
    return v_message; -- delivered before: the answer that it got
  end if;
  select e.message_types, e.ack_mode into v_types, v_mode
  from interop.endpoints e
  where e.tenant_id = v_message.tenant_id and e.id = p_endpoint_id;
  if not interop.takes(v_types, p_message_type, p_trigger_event) then
    update interop.hl7_messages m
    set
      status = 'rejected', ack_code = case v_mode when 'enhanced' then 'CR' else 'AR' end, ack_at = now(),
      ack_text = 'unsupported message type', next_attempt_at = null
    where m.tenant_id = v_message.tenant_id and m.id = v_message.id and m.received_at = v_message.received_at
    returning m.* into v_message;
  elsif v_mode = 'enhanced' then
    update interop.hl7_messages m
    set ack_code = 'CA', ack_at = now()
    where m.tenant_id = v_message.tenant_id and m.id = v_message.id and m.received_at = v_message.received_at
    returning m.* into v_message;
  end if;
  return v_message;
end
$$;

comment on function interop.record_message(uuid, text, text, text, bytea, bytea, timestamptz, text, text) is 'about=Takes a message in, once: delivered again, the same row with the answer that it has. p_raw_hash is the SHA-256 of the text. A type that the endpoint does not take is stored as rejected (AR, or CR); in enhanced mode others are accepted (CA). IM005 no such endpoint, IM010, IM801 the control id was used with another text, IM802 the endpoint is not active or only sends.';

create function interop.queue_message(
  p_endpoint_id uuid,
  p_control_id text,
  p_message_type text,
  p_trigger_event text,
  p_raw_enc bytea,
  p_raw_hash bytea,
  p_patient_id uuid default null,
  p_subject_type text default null,
  p_subject_id uuid default null,
  p_message_at timestamptz default now(),
  p_version_id text default '2.5.1',
  p_processing_id text default 'P'
) returns interop.hl7_messages
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_message interop.hl7_messages := interop.add_message(
    'out', p_endpoint_id, p_control_id, p_message_type, p_trigger_event, p_raw_enc, p_raw_hash, p_message_at,
    p_version_id, p_processing_id, p_patient_id, p_subject_type, p_subject_id
  );
begin
  if v_message.status = 'received' then
    update interop.hl7_messages m
    set status = 'queued'
    where m.tenant_id = v_message.tenant_id and m.id = v_message.id and m.received_at = v_message.received_at
    returning m.* into v_message;
  end if;
  return v_message;
end
$$;

comment on function interop.queue_message(uuid, text, text, text, bytea, bytea, uuid, text, uuid, timestamptz, text, text) is 'about=Queues a message to be sent, once: the same control id and text is the same row. IM005 no such endpoint, IM010, IM801 the control id was used with another text, IM802 the endpoint is not active or only listens.';
