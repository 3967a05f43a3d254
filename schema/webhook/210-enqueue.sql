-- Into the queue, and back into it.

create function webhook.lock_order_key(p_tenant uuid, p_webhook uuid, p_order_key text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_order_key is not null then
    perform pg_catalog.pg_advisory_xact_lock(
      pg_catalog.hashtextextended(p_tenant::text || p_webhook::text || p_order_key, 850)
    );
  end if;
end
$$;

comment on function webhook.lock_order_key(uuid, uuid, text) is 'about=Held until commit by whoever puts an event of this key into the queue, so that numbers are committed in their order.';

create function webhook.enqueue_event(
  p_webhook text,
  p_event_type text,
  p_dedupe_key text,
  p_payload_enc bytea,
  p_payload_hash bytea,
  p_order_key text default null,
  p_priority smallint default 5::smallint,
  p_due_at timestamptz default null,
  p_signature_ok boolean default null,
  p_id uuid default null,
  out event_id uuid,
  out status text,
  out created boolean
) returns record
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column -- status in ON CONFLICT is the column
declare
  v_tenant uuid := core.require_tenant();
  v_webhook webhook.integration_webhooks;
  v_known webhook.webhook_events;
begin
  select w.* into v_webhook
  from webhook.integration_webhooks w
  where w.tenant_id = v_tenant and w.code = p_webhook;
  if not found then
    raise exception 'webhook "%" does not exist', p_webhook
      using errcode = 'IM005', hint = 'register it in webhook.integration_webhooks';
  end if;
  if v_webhook.status = 'disabled' then
    raise exception 'webhook "%" is disabled', p_webhook
      using errcode = 'IM852', hint = 'see disabled_reason, then set its status to active';
  end if;
  if pg_catalog.cardinality(v_webhook.event_types) > 0 and not p_event_type = any (v_webhook.event_types) then
    raise exception 'webhook "%" does not take "%"', p_webhook, p_event_type
      using errcode = 'IM853', hint = 'add the type to its event_types';
  end if;
  status := case when v_webhook.direction = 'in' and p_signature_ok is not true then 'rejected' else 'pending' end;

  perform webhook.lock_order_key(v_tenant, v_webhook.id, p_order_key);
  insert into webhook.webhook_events (
    tenant_id, id, webhook_id, direction, event_type, dedupe_key, payload_enc, payload_hash, signature_ok,
    priority, order_key, max_attempts, next_attempt_at, finished_at, status
  )
  values (
    v_tenant, coalesce(p_id, core.uuid_v7()), v_webhook.id, v_webhook.direction, p_event_type, p_dedupe_key,
    p_payload_enc, p_payload_hash, case v_webhook.direction when 'in' then coalesce(p_signature_ok, false) end,
    p_priority, p_order_key, v_webhook.max_attempts, coalesce(p_due_at, now()),
    case enqueue_event.status when 'rejected' then now() end, enqueue_event.status
  )
  on conflict (tenant_id, webhook_id, dedupe_key) where status <> 'rejected' do nothing
  returning id into event_id;
  created := event_id is not null;
  if created then
    return;
  end if;

  select e.* into strict v_known
  from webhook.webhook_events e
  where
    e.tenant_id = v_tenant and e.webhook_id = v_webhook.id and e.dedupe_key = p_dedupe_key and e.status <> 'rejected';
  if v_known.payload_hash <> p_payload_hash or v_known.event_type <> p_event_type then
    raise exception 'key "%" of webhook "%" was used for another event', p_dedupe_key, p_webhook
      using errcode = 'IM011', hint = 'choose a new key for a new event';
  end if;
  event_id := v_known.id;
  status := v_known.status;
end
$$;

comment on function webhook.enqueue_event(text, text, text, bytea, bytea, text, smallint, timestamptz, boolean, uuid) is 'about=Puts an event into the queue of the endpoint with code p_webhook. The same dedupe key and content gives the same event (created false). An inbound event without a right signature is kept as rejected. p_id is for callers that bind the ciphertext to the row. IM005 no such endpoint, IM011 same key with other content, IM852 endpoint disabled, IM853 type not taken.';

create function webhook.replay_event(p_event uuid) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_event webhook.webhook_events;
  v_number bigint;
begin
  select e.* into v_event from webhook.webhook_events e where e.tenant_id = v_tenant and e.id = p_event;
  if not found then
    raise exception 'event % does not exist', p_event using errcode = 'IM005', hint = 'list webhook.webhook_events';
  end if;
  perform webhook.lock_order_key(v_tenant, v_event.webhook_id, v_event.order_key);
  -- later events of its key may be done by now, so it starts again at the end
  v_number := pg_catalog.nextval('webhook.webhook_events_queue_number_seq');
  update webhook.webhook_events e
  set status = 'pending', attempts = 0, next_attempt_at = now(), finished_at = null, queue_number = v_number
  where e.tenant_id = v_tenant and e.id = p_event and e.status = 'dead';
  if not found then
    raise exception 'event % is not dead', p_event
      using errcode = 'IM001', hint = 'only dead events are replayed; the others run by themselves or are done';
  end if;
end
$$;

comment on function webhook.replay_event(uuid) is 'about=Puts a dead event back into the queue, behind the others of its order key, with all its attempts. IM001 the event is not dead, IM005 no such event.';
