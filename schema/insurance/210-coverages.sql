-- The life of a coverage: an application enters it as a draft, these operations do the rest.

create function insurance.verify_coverage(p_coverage_id uuid, p_verified_how text) returns insurance.coverages
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_coverage insurance.coverages;
begin
  select c.* into v_coverage
  from insurance.coverages c
  where c.tenant_id = v_tenant and c.id = p_coverage_id and c.deleted_at is null
  for no key update;
  if not found then
    raise exception 'coverage % does not exist', p_coverage_id
      using errcode = 'IM005', hint = 'choose a coverage of the tenant that is not deleted';
  end if;
  if v_coverage.status = 'active' then
    return v_coverage;
  end if;
  update insurance.coverages c
  set status = 'active', verified_at = now(), verified_how = p_verified_how
  where c.tenant_id = v_tenant and c.id = p_coverage_id
  returning c.* into v_coverage;
  return v_coverage;
end
$$;

comment on function insurance.verify_coverage(uuid, text) is 'about=The membership was verified: draft or suspended to active. IM001 cancelled or expired, IM005 no such coverage, 23505 another active coverage of the patient has the rank.';

create function insurance.end_coverage(p_coverage_id uuid, p_status text, p_reason text) returns insurance.coverages
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_coverage insurance.coverages;
begin
  if p_status not in ('suspended', 'expired', 'cancelled') then
    raise exception 'a coverage does not end as "%"', p_status
      using errcode = '22023', hint = 'use suspended, expired or cancelled';
  end if;
  select c.* into v_coverage
  from insurance.coverages c
  where c.tenant_id = v_tenant and c.id = p_coverage_id and c.deleted_at is null
  for no key update;
  if not found then
    raise exception 'coverage % does not exist', p_coverage_id
      using errcode = 'IM005', hint = 'choose a coverage of the tenant that is not deleted';
  end if;
  if v_coverage.status = p_status then
    return v_coverage;
  end if;
  perform core.set_reason(p_reason);
  update insurance.coverages c
  set status = p_status
  where c.tenant_id = v_tenant and c.id = p_coverage_id
  returning c.* into v_coverage;
  return v_coverage;
end
$$;

comment on function insurance.end_coverage(uuid, text, text) is 'about=Suspends, expires or cancels a coverage; live submissions keep what they hold. IM001 it has ended otherwise, IM002 suspending and cancelling need a reason, IM005 no such coverage, 22023 another state.';
