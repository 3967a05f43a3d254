-- Mapping rules: evaluated, tested, activated.

create function interop.map_message(p_mapping jsonb, p_code_map jsonb, p_message jsonb) returns jsonb
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    jsonb_object_agg(
      m.key,
      case
        when jsonb_typeof(m.value) = 'object' then m.value -> 'value'
        when p_code_map ? m.key then p_code_map -> m.key -> (p_message ->> (m.value #>> '{}'))
        else p_message -> (m.value #>> '{}')
      end
    ),
    '{}'
  )
  from jsonb_each(p_mapping) m
$$;

comment on function interop.map_message(jsonb, jsonb, jsonb) is 'about=Columns of a message by a mapping and code map (see interop.mapping_rules); p_message is fields by name: {"PID-8": "F"}. A field that is missing, or a code that the map does not know, is null.';

create function interop.find_mapping(p_endpoint_id uuid, p_message_type text, p_trigger_event text)
  returns setof interop.mapping_rules
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select distinct on (r.target_table) r.*
  from interop.mapping_rules r
  where
    (r.tenant_id = core.require_tenant() or r.tenant_id is null)
    and r.status = 'active'
    and r.message_type = p_message_type
    and (r.endpoint_id = p_endpoint_id or r.endpoint_id is null)
    and (r.trigger_event = p_trigger_event or r.trigger_event is null)
  -- the most particular rule of each table
  order by
    r.target_table, r.endpoint_id nulls last, r.tenant_id nulls last, r.trigger_event nulls last, r.version desc;
  if not found then
    raise exception 'no active mapping rule for %^% at endpoint %', p_message_type, p_trigger_event, p_endpoint_id
      using errcode = 'IM800', hint = 'activate a mapping rule and replay the message';
  end if;
end
$$;

comment on function interop.find_mapping(uuid, text, text) is 'about=The active rules for a message, one a target table: the endpoint''s own, then the tenant''s, then the shared; of one event before all events. IM800 none.';

create function interop.get_mapping(p_rule_id uuid) returns interop.mapping_rules
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_rule interop.mapping_rules;
begin
  select r.* into v_rule
  from interop.mapping_rules r
  where r.id = p_rule_id and (r.tenant_id = core.require_tenant() or r.tenant_id is null);
  if not found then
    raise exception 'mapping rule % does not exist', p_rule_id
      using errcode = 'IM005', hint = 'choose a rule of the tenant or a shared one';
  end if;
  return v_rule;
end
$$;

comment on function interop.get_mapping(uuid) is 'about=A rule that the tenant can see. IM005 no such rule.';

create function interop.test_mapping(p_rule_id uuid)
  returns table (test_no int, passed boolean, expected jsonb, got jsonb)
  language sql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
  select
    t.ordinality::int, m.got @> (t.value -> 'expect'), t.value -> 'expect', m.got
  from interop.get_mapping(p_rule_id) r
  cross join lateral jsonb_array_elements(r.test_messages) with ordinality t
  cross join lateral interop.map_message(r.mapping, r.code_map, t.value -> 'message') as m (got)
  order by t.ordinality
$$;

comment on function interop.test_mapping(uuid) is 'about=Runs the test messages of a rule: a test passes when the columns have what is expected. IM005 no such rule.';

create function interop.activate_mapping(p_rule_id uuid) returns interop.mapping_rules
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_rule interop.mapping_rules := interop.get_mapping(p_rule_id);
  v_failed int;
begin
  if v_rule.tenant_id is null then
    raise exception 'mapping rule % is shared', p_rule_id
      using errcode = 'IM006', hint = 'copy it into a rule of the tenant';
  end if;
  -- two versions that are activated at the same moment
  perform pg_advisory_xact_lock(
    hashtextextended('interop.mapping ' || v_tenant || v_rule.message_type || v_rule.target_table, 0)
  );
  v_rule := interop.get_mapping(p_rule_id);
  if v_rule.status = 'active' then
    return v_rule;
  end if;
  if core.current_user_id() is null or v_rule.created_by = core.current_user_id() then
    raise exception 'mapping rule % is activated by its author', p_rule_id
      using errcode = 'IM006', hint = 'ask a second person to activate it';
  end if;
  select count(*) filter (where t.passed is distinct from true) into v_failed
  from interop.test_mapping(p_rule_id) t;
  if v_failed > 0 or jsonb_array_length(v_rule.test_messages) = 0 then
    raise exception 'mapping rule %: % of % tests fail', p_rule_id, v_failed, jsonb_array_length(v_rule.test_messages)
      using errcode = 'IM800', hint = 'interop.test_mapping shows them; a rule needs one test at least';
  end if;
  update interop.mapping_rules r
  set status = 'retired'
  where
    r.tenant_id = v_tenant and r.status = 'active' and r.message_type = v_rule.message_type
    and r.target_table = v_rule.target_table and r.endpoint_id is not distinct from v_rule.endpoint_id
    and r.trigger_event is not distinct from v_rule.trigger_event;
  update interop.mapping_rules r
  set status = 'active', approved_by = core.current_user_id()
  where r.tenant_id = v_tenant and r.id = p_rule_id
  returning r.* into v_rule;
  return v_rule;
end
$$;

comment on function interop.activate_mapping(uuid) is 'about=Puts a rule into use when all its test messages pass, by another person than its author; the version before it is retired. IM001 retired, IM005 no such rule, IM006 the author, or a shared rule, IM800 tests fail or there are none.';

create function interop.retire_mapping(p_rule_id uuid) returns interop.mapping_rules
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_rule interop.mapping_rules := interop.get_mapping(p_rule_id);
begin
  if v_rule.tenant_id is null then
    raise exception 'mapping rule % is shared', p_rule_id
      using errcode = 'IM006', hint = 'a rule of the tenant goes before it';
  end if;
  if v_rule.status = 'retired' then
    return v_rule;
  end if;
  update interop.mapping_rules r
  set status = 'retired'
  where r.tenant_id = v_tenant and r.id = p_rule_id
  returning r.* into v_rule;
  return v_rule;
end
$$;

comment on function interop.retire_mapping(uuid) is 'about=Takes a rule out of use. IM005 no such rule, IM006 a shared rule.';
