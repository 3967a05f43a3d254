-- Emergency access: opened with a reason by the user himself, closed, and reviewed by somebody else.

create function audit.open_break_glass(
  p_patient_id uuid,
  p_reason_code text,
  p_reason_text text,
  p_duration interval default interval '1 hour'
) returns uuid
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_user uuid := core.current_user_id();
  v_id uuid;
begin
  if v_user is null then
    raise exception 'emergency access needs a signed-in user'
      using errcode = 'IM006', hint = 'pass the user to core.begin_request';
  end if;
  if pg_catalog.length(pg_catalog.btrim(coalesce(p_reason_text, ''))) < 10 then
    raise exception 'the reason is too short' using errcode = 'IM920', hint = 'write at least 10 characters';
  end if;
  update audit.break_glass_sessions b
  set status = 'expired'
  where
    b.tenant_id = v_tenant and b.user_id = v_user and b.patient_id = p_patient_id
    and b.status = 'open' and b.expires_at <= now();
  insert into audit.break_glass_sessions (tenant_id, user_id, patient_id, reason_code, reason_text, expires_at)
  values (v_tenant, v_user, p_patient_id, p_reason_code, p_reason_text, now() + p_duration)
  on conflict (tenant_id, user_id, patient_id) where status = 'open' do nothing
  returning id into v_id;
  if v_id is null then
    raise exception 'emergency access to this record is already open'
      using errcode = 'IM921', hint = 'go on with the open session, or close it first';
  end if;
  perform core.enqueue('break_glass', v_id, 'break_glass.opened.v1', pg_catalog.jsonb_build_object('id', v_id));
  return v_id;
end
$$;

comment on function audit.open_break_glass(uuid, text, text, interval) is 'about=Opens emergency access of the signed-in user to one patient''s record and returns its id. IM920 reason too short, IM921 already open.';

create function audit.close_break_glass(p_session uuid) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  update audit.break_glass_sessions b
  set status = 'closed', closed_at = now()
  where
    b.tenant_id = core.require_tenant() and b.id = p_session and b.user_id = core.current_user_id()
    and b.status = 'open';
  if not found then
    raise exception 'no open emergency access % of this user', p_session
      using errcode = 'IM005', hint = 'only the user who opened it closes it';
  end if;
end
$$;

comment on function audit.close_break_glass(uuid) is 'about=Gives emergency access back. IM005 none of this user is open under that id.';

create function audit.review_break_glass(p_session uuid, p_outcome text) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_session record;
begin
  select b.user_id, b.status, b.expires_at into v_session
  from audit.break_glass_sessions b
  where b.tenant_id = v_tenant and b.id = p_session
  for update;
  if not found then
    raise exception 'no emergency access %', p_session using errcode = 'IM005';
  end if;
  if v_session.user_id = core.current_user_id() or core.current_user_id() is null then
    raise exception 'emergency access is reviewed by somebody else'
      using errcode = 'IM006', hint = 'ask the privacy officer';
  end if;
  if v_session.status = 'open' and v_session.expires_at <= now() then
    update audit.break_glass_sessions b set status = 'expired' where b.tenant_id = v_tenant and b.id = p_session;
  end if;
  update audit.break_glass_sessions b
  set status = 'reviewed', reviewed_by = core.current_user_id(), reviewed_at = now(), review_outcome = p_outcome
  where b.tenant_id = v_tenant and b.id = p_session;
end
$$;

comment on function audit.review_break_glass(uuid, text) is 'about=Records the review of a closed or expired emergency access: justified, unjustified or escalated. IM005 none such, IM006 own session, IM001 still open.';
