-- Cleaning, blocking and repair. None of it touches a bed that somebody is in.

create function facility.finish_cleaning(p_bed_id uuid) returns facility.beds
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_bed facility.beds := facility.lock_bed(p_bed_id);
begin
  if v_bed.status = 'vacant' then
    return v_bed; -- asked again
  end if;
  if v_bed.status <> 'cleaning' then
    raise exception 'bed % is %', p_bed_id, v_bed.status
      using errcode = 'IM001', hint = 'only a bed that is being cleaned is finished';
  end if;
  update facility.beds b
  set status = 'vacant'
  where b.tenant_id = v_bed.tenant_id and b.id = p_bed_id
  returning b.* into v_bed;
  return v_bed;
end
$$;

comment on function facility.finish_cleaning(uuid) is 'about=A bed is clean and vacant. Asked again: nothing changes. IM001 it is not being cleaned, IM005 no such bed.';

create function facility.close_bed(p_bed_id uuid, p_status text, p_reason text) returns facility.beds
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_bed facility.beds := facility.lock_bed(p_bed_id);
begin
  if p_status not in ('blocked', 'maintenance') then
    raise exception 'a bed cannot be closed as "%"', p_status
      using errcode = '22023', hint = 'use blocked or maintenance';
  end if;
  if nullif(btrim(p_reason), '') is null then
    raise exception 'closing bed % needs a reason', p_bed_id using errcode = 'IM002', hint = 'say why';
  end if;
  if v_bed.status = p_status then
    return v_bed; -- asked again
  end if;
  perform core.set_reason(p_reason);
  update facility.beds b
  set status = p_status
  where b.tenant_id = v_bed.tenant_id and b.id = p_bed_id
  returning b.* into v_bed;
  return v_bed;
end
$$;

comment on function facility.close_bed(uuid, text, text) is 'about=Takes a vacant bed out of service, as blocked or for maintenance; one that is being cleaned for maintenance only. Asked again: nothing changes. IM001 somebody is in it, or it is kept for somebody, IM002 no reason, IM005 no such bed.';

create function facility.reopen_bed(p_bed_id uuid) returns facility.beds
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_bed facility.beds := facility.lock_bed(p_bed_id);
begin
  if v_bed.status = 'vacant' then
    return v_bed; -- asked again
  end if;
  if v_bed.status not in ('blocked', 'maintenance') then
    raise exception 'bed % is %', p_bed_id, v_bed.status
      using errcode = 'IM001', hint = 'only a bed that is blocked or under maintenance is reopened';
  end if;
  update facility.beds b
  set status = 'vacant'
  where b.tenant_id = v_bed.tenant_id and b.id = p_bed_id
  returning b.* into v_bed;
  return v_bed;
end
$$;

comment on function facility.reopen_bed(uuid) is 'about=A blocked or repaired bed is vacant again. Asked again: nothing changes. IM001 it is neither blocked nor under maintenance, IM005 no such bed.';
