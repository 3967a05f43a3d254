-- The life of a rule: drafted, tested, activated by somebody else, suspended when it misbehaves, replaced by its next
-- version.

create function cds.lock_rule(p_rule_id uuid) returns cds.rules
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_rule cds.rules;
begin
  select r.* into v_rule
  from cds.rules r
  where r.tenant_id = v_tenant and r.id = p_rule_id
  for no key update;
  if not found then
    raise exception 'rule % does not exist', p_rule_id
      using errcode = 'IM005', hint = 'choose a rule of the tenant; shared rules come with the product';
  end if;
  return v_rule;
end
$$;

comment on function cds.lock_rule(uuid) is 'about=A rule of the tenant, locked until the transaction ends. IM005 no such rule.';

create function cds.set_rule_status(p_rule cds.rules, p_status text) returns cds.rules
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_rule cds.rules;
begin
  update cds.rules r
  set status = p_status
  where r.tenant_id = p_rule.tenant_id and r.id = p_rule.id
  returning r.* into v_rule;
  return v_rule;
end
$$;

comment on function cds.set_rule_status(cds.rules, text) is 'about=Moves a locked rule. IM001 the state machine has no such move.';

create function cds.draft_rule(
  p_code text,
  p_name text,
  p_hook text,
  p_logic jsonb,
  p_severity text,
  p_category text,
  p_test_cases jsonb default '[]',
  p_evidence text default null
) returns cds.rules
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_rule cds.rules;
begin
  if not cds.valid_logic(p_logic) then
    raise exception 'the logic of rule "%" cannot be read', p_code
      using errcode = '22023', hint = 'comment on function cds.evaluate says what a condition looks like';
  end if;
  perform pg_advisory_xact_lock(hashtextextended('cds.rule ' || v_tenant || p_code, 0));
  select r.* into v_rule
  from cds.rules r
  where r.tenant_id = v_tenant and r.code = p_code and r.status = 'draft';
  if found then -- a draft is worked on until it is tested
    update cds.rules r
    set
      name = p_name, hook = p_hook, logic = p_logic, severity = p_severity, category = p_category,
      test_cases = p_test_cases, evidence = p_evidence
    where r.tenant_id = v_tenant and r.id = v_rule.id
    returning r.* into v_rule;
    return v_rule;
  end if;
  insert into cds.rules as r (
    tenant_id, code, version, name, hook, logic, severity, category, test_cases, evidence
  )
  values (
    v_tenant, p_code,
    (
      select coalesce(max(o.version), 0) + 1
      from cds.rules o
      where o.tenant_id = v_tenant and o.code = p_code
    ),
    p_name, p_hook, p_logic, p_severity, p_category, p_test_cases, p_evidence
  )
  returning r.* into v_rule;
  return v_rule;
end
$$;

comment on function cds.draft_rule(text, text, text, jsonb, text, text, jsonb, text) is 'about=Drafts the next version of a rule, or changes its draft. p_test_cases: [{name, facts, fires}]. 22023 logic that cds.evaluate cannot read.';

create function cds.test_rule(p_rule_id uuid) returns table (test_case text, expected boolean, actual boolean, passed boolean)
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  if not exists (select from cds.rules r where r.id = p_rule_id and (r.tenant_id = v_tenant or r.tenant_id is null)) then
    raise exception 'rule % does not exist', p_rule_id
      using errcode = 'IM005', hint = 'choose a rule of the tenant or a shared one';
  end if;
  return query
  select
    c.value ->> 'name', (c.value ->> 'fires')::boolean, t.actual,
    t.actual is not distinct from (c.value ->> 'fires')::boolean
  from cds.rules r
  cross join lateral jsonb_array_elements(r.test_cases) with ordinality c
  cross join lateral (select cds.evaluate(r.logic, coalesce(c.value -> 'facts', '{}')) as actual) t
  where r.id = p_rule_id
  order by c.ordinality;
end
$$;

comment on function cds.test_rule(uuid) is 'about=Runs the test cases of a rule: what each expects and what the rule says. IM005 no such rule.';

create function cds.start_rule_test(p_rule_id uuid) returns cds.rules
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_rule cds.rules := cds.lock_rule(p_rule_id);
begin
  if v_rule.status = 'testing' then
    return v_rule;
  end if;
  return cds.set_rule_status(v_rule, 'testing');
end
$$;

comment on function cds.start_rule_test(uuid) is 'about=Draft to testing: from now on the logic stays as it is. IM001 not a draft, IM005 no such rule.';

create function cds.return_rule_to_draft(p_rule_id uuid) returns cds.rules
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_rule cds.rules := cds.lock_rule(p_rule_id);
begin
  if v_rule.status = 'draft' then
    return v_rule;
  end if;
  return cds.set_rule_status(v_rule, 'draft');
end
$$;

comment on function cds.return_rule_to_draft(uuid) is 'about=Testing to draft: the review asks for changes. IM001 not in testing, IM005 no such rule.';

create function cds.activate_rule(p_rule_id uuid) returns cds.rules
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_rule cds.rules := cds.lock_rule(p_rule_id);
  v_failed text;
begin
  if v_rule.status = 'active' then
    return v_rule;
  end if;
  if v_rule.status = 'testing' then
    if core.current_user_id() is null or core.current_user_id() = v_rule.created_by then
      raise exception 'rule % is activated by somebody who did not write it', p_rule_id
        using errcode = 'IM506', hint = 'ask a second person to review and activate it';
    end if;
    select string_agg(t.test_case, ', ') into v_failed from cds.test_rule(p_rule_id) t where not t.passed;
    if v_failed is not null or jsonb_array_length(v_rule.test_cases) = 0 then
      raise exception 'rule % does not pass its test cases: %', p_rule_id, coalesce(v_failed, 'it has none')
        using errcode = 'IM410', hint = 'run cds.test_rule, correct the rule or the cases, then activate it';
    end if;
    update cds.rules r
    set status = 'retired'
    where r.tenant_id = v_rule.tenant_id and r.code = v_rule.code and r.status in ('active', 'suspended');
  end if;
  update cds.rules r
  set
    status = 'active', approved_at = coalesce(r.approved_at, now()),
    approved_by = coalesce(r.approved_by, core.current_user_id())
  where r.tenant_id = v_rule.tenant_id and r.id = v_rule.id
  returning r.* into v_rule;
  return v_rule;
end
$$;

comment on function cds.activate_rule(uuid) is 'about=Testing or suspended to active: all test cases pass, by a user who did not write it; the version that was active retires in the same moment. IM001 not in testing or suspended, IM005 no such rule, IM410 a test case fails, IM506 the author.';

create function cds.suspend_rule(p_rule_id uuid, p_reason text) returns cds.rules
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_rule cds.rules := cds.lock_rule(p_rule_id);
begin
  if v_rule.status = 'suspended' then
    return v_rule;
  end if;
  perform core.set_reason(p_reason);
  return cds.set_rule_status(v_rule, 'suspended');
end
$$;

comment on function cds.suspend_rule(uuid, text) is 'about=Silences an active rule for now; cds.activate_rule wakes it. IM001 not active, IM002 no reason, IM005 no such rule.';

create function cds.retire_rule(p_rule_id uuid) returns cds.rules
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_rule cds.rules := cds.lock_rule(p_rule_id);
begin
  if v_rule.status = 'retired' then
    return v_rule;
  end if;
  return cds.set_rule_status(v_rule, 'retired');
end
$$;

comment on function cds.retire_rule(uuid) is 'about=Ends a rule for good: a draft, an active or a suspended one. IM001 in testing, IM005 no such rule.';
