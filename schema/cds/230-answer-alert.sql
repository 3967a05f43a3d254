-- What people do with an alert: see it, follow it, or go on in spite of it.

create function cds.lock_alert(p_alert_id uuid) returns cds.alerts
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_alert cds.alerts;
begin
  select a.* into v_alert
  from cds.alerts a
  where a.tenant_id = v_tenant and a.id = p_alert_id
  for no key update;
  if not found then
    raise exception 'alert % does not exist', p_alert_id
      using errcode = 'IM005', hint = 'choose an alert of the tenant';
  end if;
  return v_alert;
end
$$;

comment on function cds.lock_alert(uuid) is 'about=The alert, locked until the transaction ends. IM005 no such alert.';

create function cds.acknowledge_alert(p_alert_id uuid) returns cds.alerts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_alert cds.alerts := cds.lock_alert(p_alert_id);
begin
  if v_alert.status <> 'fired' then -- seen before, or answered already
    return v_alert;
  end if;
  update cds.alerts a
  set status = 'acknowledged', shown_to = core.current_user_id()
  where a.tenant_id = v_alert.tenant_id and a.id = v_alert.id
  returning a.* into v_alert;
  return v_alert;
end
$$;

comment on function cds.acknowledge_alert(uuid) is 'about=The signed-in user saw the alert. One that was seen or answered stays as it is. IM005 no such alert.';

create function cds.accept_alert(p_alert_id uuid) returns cds.alerts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_alert cds.alerts := cds.lock_alert(p_alert_id);
begin
  if v_alert.status = 'accepted' then
    return v_alert;
  end if;
  if v_alert.severity = 'hard_stop' and v_alert.status in ('fired', 'acknowledged') then
    raise exception 'alert % is a hard stop: it ends when its cause is gone', p_alert_id
      using errcode = 'IM401', hint = 'change the order and check it again, or override the alert with a second approver';
  end if;
  update cds.alerts a
  set status = 'accepted', responded_at = now(), shown_to = coalesce(a.shown_to, core.current_user_id())
  where a.tenant_id = v_alert.tenant_id and a.id = v_alert.id
  returning a.* into v_alert;
  return v_alert;
end
$$;

comment on function cds.accept_alert(uuid) is 'about=The user follows the alert and changes the order. A hard stop cannot be accepted: it expires when a new check does not find it. IM001 answered otherwise, IM005 no such alert, IM401 it is a hard stop.';

create function cds.override_alert(
  p_alert_id uuid,
  p_reason_code text,
  p_reason_text text default null,
  p_second_approver_id uuid default null
) returns cds.alert_overrides
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_alert cds.alerts := cds.lock_alert(p_alert_id);
  v_user uuid := core.current_user_id();
  v_override cds.alert_overrides;
begin
  if v_alert.status = 'overridden' then
    select o.* into v_override
    from cds.alert_overrides o
    where o.tenant_id = v_alert.tenant_id and o.alert_id = v_alert.id;
    return v_override;
  end if;
  if p_reason_code is null or (p_reason_code = 'other' and coalesce(length(btrim(p_reason_text)), 0) < 10) then
    raise exception 'alert % needs a reason to be overridden', p_alert_id
      using errcode = 'IM002', hint = 'pass a reason code; with other, explain it in ten characters or more';
  end if;
  if v_alert.severity = 'hard_stop' and (
    p_second_approver_id is null
    or p_second_approver_id = v_user
    or not exists (
      select
      from auth.users u
      where
        u.tenant_id = v_alert.tenant_id and u.id = p_second_approver_id and u.status = 'active'
        and coalesce(core.setting('cds.second_approver_roles'), '["doctor", "pharmacist"]') ? u.primary_role::text
    )
  ) then
    raise exception 'alert % is a hard stop: overriding it needs a second approver', p_alert_id
      using errcode = 'IM506', hint = 'ask another doctor or pharmacist (setting cds.second_approver_roles)';
  end if;
  update cds.alerts a
  set status = 'overridden', responded_at = now(), shown_to = coalesce(a.shown_to, v_user)
  where a.tenant_id = v_alert.tenant_id and a.id = v_alert.id;
  insert into cds.alert_overrides as o (
    tenant_id, alert_id, user_id, reason_code, reason_text, second_approver_id
  )
  values (v_alert.tenant_id, v_alert.id, v_user, p_reason_code, p_reason_text, p_second_approver_id)
  returning o.* into v_override;
  return v_override;
end
$$;

comment on function cds.override_alert(uuid, text, text, uuid) is 'about=Goes on in spite of an alert, with a coded reason; a hard stop needs a second approver, an active user of setting cds.second_approver_roles (default doctor, pharmacist) who is not the signed-in one. Asked again, the first override. IM001 the alert is answered or gone, IM002 no reason, IM005 no such alert, IM506 no second approver.';

create function cds.expire_alerts(p_limit int default 500) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_hours int := coalesce((core.setting('cds.alert_hours') #>> '{}')::int, 72);
  v_alert record;
  v_expired int := 0;
begin
  for v_alert in
    select a.id
    from cds.alerts a
    where
      a.tenant_id = v_tenant and a.status in ('fired', 'acknowledged') and a.severity <> 'hard_stop'
      and a.fired_at < now() - make_interval(hours => v_hours)
    order by a.fired_at
    limit p_limit
    for no key update skip locked
  loop
    update cds.alerts a
    set status = 'expired'
    where a.tenant_id = v_tenant and a.id = v_alert.id;
    v_expired := v_expired + 1;
  end loop;
  return v_expired;
end
$$;

comment on function cds.expire_alerts(int) is 'about=Ends open alerts older than setting cds.alert_hours (default 72), never hard stops, and returns how many. For a job.';
