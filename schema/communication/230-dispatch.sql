-- Sending: a dispatcher claims due notifications, sends them, reports. Claims are per tenant, as everywhere.

create function communication.claim_notifications(p_limit int default 50, p_lease interval default interval '5 minutes')
  returns setof communication.notifications
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_notification communication.notifications;
  v_unwanted text;
begin
  -- a dispatcher that died left these behind
  for v_notification in
    select n.*
    from communication.notifications n
    where n.tenant_id = v_tenant and n.status = 'processing' and n.updated_at < now() - p_lease
    order by n.updated_at
    limit p_limit
    for update skip locked
  loop
    update communication.notifications n
    set status = 'failed'
    where n.tenant_id = v_tenant and n.id = v_notification.id;
    update communication.notifications n
    set status = 'pending'
    where n.tenant_id = v_tenant and n.id = v_notification.id;
  end loop;

  for v_notification in
    select n.*
    from communication.notifications n
    where n.tenant_id = v_tenant and n.status = 'pending' and n.scheduled_at <= now()
    order by n.scheduled_at
    limit p_limit
    for update skip locked
  loop
    -- the person may have decided otherwise since it was queued
    select communication.why_unwanted(c, t.category) into v_unwanted
    from communication.notification_templates t
    left join communication.contact_preferences c
      on c.tenant_id = v_tenant and c.subject_type = v_notification.recipient_type
      and c.subject_id = v_notification.recipient_id and c.channel = t.channel and c.category = t.category
    where t.id = v_notification.template_id;
    update communication.notifications n
    set
      status = case
        when v_unwanted is not null then 'suppressed'
        when n.expires_at <= now() then 'cancelled'
        else 'processing'
      end,
      suppressed_reason = v_unwanted
    where n.tenant_id = v_tenant and n.id = v_notification.id
    returning n.* into v_notification;
    if v_notification.status = 'processing' then
      return next v_notification;
    end if;
  end loop;
end
$$;

comment on function communication.claim_notifications(int, interval) is 'about=Takes up to p_limit due notifications of the tenant for sending; expired ones are cancelled instead, those that the person wants no more are suppressed, and those that a dispatcher held longer than p_lease are taken over.';

create function communication.finish_notification(p_notification uuid, p_status text) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_status not in ('sent', 'partially_sent', 'failed', 'read', 'dead', 'pending') then
    raise exception 'unknown result "%"', p_status
      using errcode = '22023', hint = 'use sent, partially_sent, failed, read, dead, or pending to try again';
  end if;
  update communication.notifications n
  set status = p_status, read_at = case when p_status = 'read' then coalesce(n.read_at, now()) else n.read_at end
  where n.tenant_id = core.require_tenant() and n.id = p_notification;
  if not found then
    raise exception 'notification % does not exist', p_notification
      using errcode = 'IM005', hint = 'list communication.notifications';
  end if;
end
$$;

comment on function communication.finish_notification(uuid, text) is 'about=Reports what became of a notification: sent, partially_sent, failed, then read, or dead, or pending to try a failed one again. IM001 the move is not allowed, IM005 no such notification.';

create function communication.record_delivery(
  p_channel text,
  p_provider_ref text,
  p_status text,
  p_at timestamptz,
  p_error_code text default null,
  p_provider text default null
) returns boolean
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_machine text := 'communication.' || p_channel || '_messages';
  v_message record;
begin
  if p_channel not in ('sms', 'whatsapp', 'email') then
    raise exception 'channel "%" has no delivery reports', p_channel
      using errcode = '22023', hint = 'use sms, whatsapp or email';
  end if;
  execute pg_catalog.format(
    'select m.id, m.created_at, m.status from communication.%I m
     where m.tenant_id = $1 and m.provider_ref = $2 %s
     order by m.created_at desc limit 1 for update',
    p_channel || '_messages', case when p_channel <> 'whatsapp' then 'and m.provider = $3' else '' end
  )
  into v_message
  using v_tenant, p_provider_ref, p_provider;
  if v_message.id is null then
    raise exception '% message "%" does not exist', p_channel, p_provider_ref
      using errcode = 'IM005', hint = 'the report may have overtaken the sender; repeat it in a moment';
  end if;
  -- reports come late and out of order: one that would go backwards says nothing new
  if not exists (
    select
    from core.transition_rules r
    where r.machine = v_machine and r.from_state = v_message.status and r.to_state = p_status
  ) then
    return false;
  end if;

  case p_channel
    when 'sms' then
      update communication.sms_messages m
      set
        status = p_status, error_code = coalesce(p_error_code, m.error_code),
        delivered_at = case when p_status = 'delivered' then p_at else m.delivered_at end
      where m.tenant_id = v_tenant and m.id = v_message.id and m.created_at = v_message.created_at;
    when 'whatsapp' then
      update communication.whatsapp_messages m
      set
        status = p_status, error_code = coalesce(p_error_code, m.error_code),
        delivered_at = case when p_status = 'delivered' then p_at else m.delivered_at end,
        read_at = case when p_status = 'read' then p_at else m.read_at end
      where m.tenant_id = v_tenant and m.id = v_message.id and m.created_at = v_message.created_at;
    when 'email' then
      update communication.email_messages m
      set
        status = p_status, error_code = coalesce(p_error_code, m.error_code),
        delivered_at = case when p_status = 'delivered' then p_at else m.delivered_at end,
        opened_at = case when p_status = 'opened' then p_at else m.opened_at end
      where m.tenant_id = v_tenant and m.id = v_message.id and m.created_at = v_message.created_at;
  end case;
  return true;
end
$$;

comment on function communication.record_delivery(text, text, text, timestamptz, text, text) is 'about=Takes a provider''s delivery report (p_provider is needed for sms and email). False when the message is already further. IM005 no such message.';
