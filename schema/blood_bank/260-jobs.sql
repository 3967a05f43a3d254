-- Jobs. Both skip units that somebody works on; the next run takes them.

create function blood_bank.expire_units(p_limit int default 1000) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_unit blood_bank.blood_components;
  v_expired int := 0;
begin
  for v_unit in
    select c.*
    from blood_bank.blood_components c
    where
      c.tenant_id = v_tenant and c.status in ('available', 'reserved', 'crossmatched') and c.expires_at <= now()
    order by c.expires_at
    limit p_limit
    for no key update skip locked
  loop
    perform blood_bank.release_crossmatches(v_unit, 'expired');
    perform blood_bank.move_unit(v_unit, 'expired', null);
    v_expired := v_expired + 1;
  end loop;
  return v_expired;
end
$$;

comment on function blood_bank.expire_units(int) is 'about=Job: marks up to p_limit units whose shelf life is over and returns how many. No operation waits for it: an expired unit is refused (IM351) before it is marked.';

create function blood_bank.free_lapsed_units(p_limit int default 1000) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_unit blood_bank.blood_components;
  v_freed int := 0;
begin
  for v_unit in
    select c.*
    from blood_bank.blood_components c
    where c.tenant_id = v_tenant and c.status in ('reserved', 'crossmatched') and c.reserved_until <= now()
    order by c.reserved_until
    limit p_limit
    for no key update skip locked
  loop
    perform blood_bank.release_crossmatches(v_unit, 'expired');
    perform blood_bank.move_unit(v_unit, 'available', null, 'reservation_lapsed');
    v_freed := v_freed + 1;
  end loop;
  return v_freed;
end
$$;

comment on function blood_bank.free_lapsed_units(int) is 'about=Job: frees up to p_limit units whose reservation lapsed and returns how many.';
