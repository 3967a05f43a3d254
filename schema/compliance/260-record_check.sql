-- Evidence of checks: written by `imhotep verify --rules --record`, and by people for what only they can see.

create function compliance.record_check(
  p_rule_id text,
  p_outcome text,
  p_evidence jsonb,
  p_regulation text default null,
  p_target text default null,
  p_run_id uuid default null,
  p_rule_version text default '1',
  p_tool_version text default 'manual',
  p_schema_fingerprint bytea default null,
  p_waiver_id text default null,
  p_ran_at timestamptz default now()
) returns compliance.compliance_checks
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.current_tenant_id();
  v_run uuid := coalesce(p_run_id, core.uuid_v7());
  v_target text := coalesce(p_target, current_database());
  v_check compliance.compliance_checks;
begin
  insert into compliance.compliance_checks as c (
    tenant_id, run_id, rule_id, rule_version, regulation, target, outcome, evidence, waiver_id, ran_at, tool_version,
    schema_fingerprint
  )
  values (
    v_tenant, v_run, p_rule_id, p_rule_version, coalesce(p_regulation, split_part(lower(p_rule_id), '-', 1)), v_target,
    p_outcome, p_evidence, p_waiver_id, p_ran_at, p_tool_version, p_schema_fingerprint
  )
  on conflict (tenant_id, run_id, rule_id, target, ran_at) do nothing
  returning c.* into v_check;
  if not found then -- recorded already
    select c.* into v_check
    from compliance.compliance_checks c
    where
      c.tenant_id is not distinct from v_tenant and c.run_id = v_run and c.rule_id = p_rule_id
      and c.target = v_target and c.ran_at = p_ran_at;
  end if;
  return v_check;
end
$$;

comment on function compliance.record_check(text, text, jsonb, text, text, uuid, text, text, bytea, text, timestamptz) is 'about=Records a check with its evidence (ids and counts only): for the tenant of the request, or for the whole database when there is none, which only the role that installed the schema may. A restore test is rule HIP-25 with the checksum of the backup as evidence. Rule, target and instant of a run are recorded once.';
