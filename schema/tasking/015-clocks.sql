-- Clocks of rows that are also changed offline. A hybrid logical clock (HLC) orders writes: microseconds of the wall clock,
-- a counter for writes inside one microsecond or behind a clock that ran ahead, and the node. A vector clock counts the
-- writes of each node, which tells whether a writer had seen another's write. field_clocks keeps, for every field, the HLC,
-- the node and that node's count of the write it holds.

create function tasking.hlc_text(p_physical_us bigint, p_logical int, p_node text) returns text
  language sql
  immutable
  parallel safe
return lpad(p_physical_us::text, 17, '0') || '.' || lpad(p_logical::text, 10, '0') || '.' || p_node;

comment on function tasking.hlc_text(bigint, int, text) is 'about=A hybrid logical clock as text; in collation "C" texts sort as the clocks do, equal times by node.';

create function tasking.merge_vector_clocks(p_one jsonb, p_other jsonb) returns jsonb
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_object_agg(m.node, m.writes), '{}')
  from (
    select c.key as node, max(c.value::bigint) as writes
    from (select * from jsonb_each_text(p_one) union all select * from jsonb_each_text(p_other)) as c
    group by c.key
  ) as m
$$;

comment on function tasking.merge_vector_clocks(jsonb, jsonb) is 'about=For each node the higher count of two vector clocks.';

create function tasking.server_node() returns text
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$ select coalesce(core.setting('tasking.node_id') #>> '{}', 'server') $$;

comment on function tasking.server_node() is 'about=The node that writes of this database count for: setting tasking.node_id, else "server".';

create function tasking.keep_clocks() returns trigger
  language plpgsql
  security definer -- reads a setting, whoever writes
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_now bigint := (extract(epoch from now()) * 1000000)::bigint;
  v_silent text[] := array[
    'tenant_id', 'id', 'created_at', 'created_by', 'updated_at', 'updated_by', 'row_version', 'vector_clock',
    'hlc_physical_us', 'hlc_logical', 'hlc_node', 'field_clocks'
  ];
  v_old jsonb := '{}';
  v_vector jsonb := '{}';
  v_fields jsonb := '{}';
  v_changed text[];
  v_writes bigint;
begin
  if tg_op = 'UPDATE' then
    if new.field_clocks is distinct from old.field_clocks then
      return new; -- tasking.merge_operation brings the clocks of the device
    end if;
    v_old := to_jsonb(old);
    v_vector := old.vector_clock;
    v_fields := old.field_clocks;
  elsif new.field_clocks <> '{}' then
    return new;
  end if;
  select array_agg(f.key) into v_changed
  from jsonb_each(to_jsonb(new)) as f
  where f.key <> all (v_silent) and f.value <> coalesce(v_old -> f.key, 'null');
  if v_changed is null then
    return new;
  end if;

  new.hlc_node := tasking.server_node();
  if tg_op = 'UPDATE' and old.hlc_physical_us >= v_now then
    new.hlc_physical_us := old.hlc_physical_us;
    new.hlc_logical := old.hlc_logical + 1;
  else
    new.hlc_physical_us := v_now;
    new.hlc_logical := 0;
  end if;
  v_writes := coalesce((v_vector ->> new.hlc_node)::bigint, 0) + 1;
  new.vector_clock := v_vector || jsonb_build_object(new.hlc_node, v_writes);
  new.field_clocks := v_fields || (
    select jsonb_object_agg(
      c,
      jsonb_build_object(
        'hlc', tasking.hlc_text(new.hlc_physical_us, new.hlc_logical, new.hlc_node), 'node', new.hlc_node,
        'seq', v_writes
      )
    )
    from unnest(v_changed) as c
  );
  return new;
end
$$;

comment on function tasking.keep_clocks() is 'about=Before insert or update: a write that brings no clocks is one of this server. It raises the row''s hybrid logical clock above the last one, counts the server''s writes in the vector clock and notes both for every field that changed.';
