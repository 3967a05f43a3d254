-- Asking for a message, once per key, as far as the person wants it.

create function communication.find_template(p_code text, p_channel text, p_locales text[])
  returns communication.notification_templates
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select t.*
  from communication.notification_templates t
  where
    t.code = p_code and t.channel = p_channel and t.status = 'active' and t.locale = any (p_locales)
    and (t.tenant_id = core.current_tenant_id() or t.tenant_id is null)
  order by pg_catalog.array_position(p_locales, t.locale), t.tenant_id nulls last, t.version desc
  limit 1
$$;

comment on function communication.find_template(text, text, text[]) is 'about=The active template in the first language of the list that there is one for: the tenant''s own before the shared one, the highest version.';

create function communication.why_unwanted(p_preference communication.contact_preferences, p_category text) returns text
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_preference.bounced then 'bounced'
    when not p_preference.opted_in then 'opted_out'
    when p_category = 'promotional' and (p_preference.id is null or p_preference.consent_expires_at <= now()) then
      'no_opt_in'
  end
$$;

comment on function communication.why_unwanted(communication.contact_preferences, text) is 'about=Why a person gets no message of a category, by their preference for its channel: bounced, opted_out or no_opt_in; null when they get it.';

create function communication.queue_notification(
  p_template text,
  p_channel text,
  p_recipient_type text,
  p_recipient_id uuid,
  p_purpose text,
  p_payload_enc bytea,
  p_dedupe_key text,
  p_priority text default 'normal',
  p_scheduled_at timestamptz default null,
  p_expires_at timestamptz default null,
  p_subject_type text default null,
  p_subject_id uuid default null,
  p_locale text default null,
  p_id uuid default null,
  out notification_id uuid,
  out status text,
  out scheduled_at timestamptz,
  out suppressed_reason text,
  out created boolean
) returns record
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant record;
  v_preferred_locale text;
  v_template communication.notification_templates;
  v_preference communication.contact_preferences;
  v_known communication.notifications;
begin
  select t.id, t.timezone, t.locale, t.country into strict v_tenant
  from core.tenants t
  where t.id = core.require_tenant();
  select c.locale into v_preferred_locale
  from communication.contact_preferences c
  where
    c.tenant_id = v_tenant.id and c.subject_type = p_recipient_type and c.subject_id = p_recipient_id
    and c.channel = p_channel and c.locale is not null
  order by c.changed_at desc
  limit 1;
  v_template := communication.find_template(
    p_template, p_channel, array[p_locale, v_preferred_locale, v_tenant.locale::text, 'en']
  );
  if v_template.id is null then
    raise exception 'no active template "%" for %', p_template, p_channel
      using errcode = 'IM005', hint = 'add one to communication.notification_templates and make it active';
  end if;
  if p_channel = 'sms' and v_tenant.country = 'IN' and v_template.dlt_template_id is null then
    raise exception 'template % has no DLT id', v_template.id
      using errcode = 'IM006', hint = 'add a version of the tenant with its dlt_template_id';
  end if;

  select c.* into v_preference
  from communication.contact_preferences c
  where
    c.tenant_id = v_tenant.id and c.subject_type = p_recipient_type and c.subject_id = p_recipient_id
    and c.channel = p_channel and c.category = v_template.category;
  scheduled_at := coalesce(p_scheduled_at, now());
  if p_priority <> 'critical' and v_preference.quiet_hours is not null then
    scheduled_at := communication.after_quiet_hours(scheduled_at, v_preference.quiet_hours, v_tenant.timezone);
  end if;
  suppressed_reason := coalesce(
    communication.why_unwanted(v_preference, v_template.category),
    case when p_expires_at <= scheduled_at then 'quiet_until_expiry' end
  );
  status := case when suppressed_reason is null then 'pending' else 'suppressed' end;

  insert into communication.notifications as n (
    tenant_id, id, template_id, recipient_type, recipient_id, purpose, payload_enc, priority, dedupe_key,
    scheduled_at, expires_at, subject_type, subject_id, suppressed_reason, status
  )
  values (
    v_tenant.id, coalesce(p_id, core.uuid_v7()), v_template.id, p_recipient_type, p_recipient_id, p_purpose,
    p_payload_enc, p_priority, p_dedupe_key, queue_notification.scheduled_at, p_expires_at, p_subject_type,
    p_subject_id, queue_notification.suppressed_reason, queue_notification.status
  )
  on conflict (tenant_id, dedupe_key) do nothing
  returning n.id into notification_id;
  created := notification_id is not null;
  if created then
    return;
  end if;

  select n.* into strict v_known
  from communication.notifications n
  where n.tenant_id = v_tenant.id and n.dedupe_key = p_dedupe_key;
  -- ciphertexts of one text differ, so the content is what can be compared
  if
    (v_known.recipient_type, v_known.recipient_id, v_known.purpose, v_known.subject_id)
    is distinct from (p_recipient_type, p_recipient_id, p_purpose, p_subject_id)
  then
    raise exception 'key "%" was used for another notification', p_dedupe_key
      using errcode = 'IM011', hint = 'choose a new key for a new notification';
  end if;
  notification_id := v_known.id;
  status := v_known.status;
  scheduled_at := v_known.scheduled_at;
  suppressed_reason := v_known.suppressed_reason;
end
$$;

comment on function communication.queue_notification(text, text, text, uuid, text, bytea, text, text, timestamptz, timestamptz, text, uuid, text, uuid) is 'about=Asks for one message to one person. The same dedupe key gives the same notification (created false). It waits until quiet hours are over unless critical, and is kept as suppressed when the person opted out, never opted in to promotions, or the address bounced. IM005 no active template, IM006 no DLT id, IM011 same key for another message.';

create function communication.cancel_notification(p_notification uuid) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  update communication.notifications n
  set status = 'cancelled'
  where n.tenant_id = core.require_tenant() and n.id = p_notification;
  if not found then
    raise exception 'notification % does not exist', p_notification
      using errcode = 'IM005', hint = 'list communication.notifications';
  end if;
end
$$;

comment on function communication.cancel_notification(uuid) is 'about=Takes back a notification that nobody has begun to send; again changes nothing. IM001 it is being sent or was sent, IM005 no such notification.';
