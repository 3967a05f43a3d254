-- The form of an archive: rows of one shape (the same columns, the same keys in old_values and new_values) are stored
-- column by column, so that like stands beside like, and then compressed.
--
-- content is [{"rows": n, "columns": [[path, kind, values], ...]}, ...], one element a shape; path is a column, or a
-- column and a key with a dot between. kind is
--   uuid   positions in ids, each as the difference to the one before; a new UUID has the next position, so most are 1
--   time   microseconds since 1970, as differences
--   number as differences
--   same   one value that every row has
--   plain  the values
-- A JSON null makes a shape of its own. A kind is chosen only where it gives back the very text it was made from: the
-- seals hash that text.

create function audit.encode_rows(p_rows jsonb[], out ids bytea, out content jsonb)
  language sql
  stable
  set search_path = pg_catalog, pg_temp
  set timezone = 'UTC'
  set jit = off -- estimates are far off here, and compiling would cost more than running
as $$
  with cells as materialized (
    select r.n, c.path, c.value, pg_catalog.jsonb_typeof(c.value) as type, c.value #>> '{}' as text
    from pg_catalog.unnest(p_rows) with ordinality as r (row, n)
    cross join lateral pg_catalog.jsonb_each(r.row) as e
    cross join lateral (
      select e.key as path, e.value
      where pg_catalog.jsonb_typeof(e.value) <> 'object' or e.value = '{}'
      union all
      select e.key || '.' || f.key, f.value
      from pg_catalog.jsonb_each(case when pg_catalog.jsonb_typeof(e.value) = 'object' then e.value else '{}' end) as f
    ) as c
  ),
  row_shapes as (
    select s.n, pg_catalog.dense_rank() over (order by s.shape) as shape
    from (
      select
        c.n,
        pg_catalog.sha256(
          pg_catalog.convert_to(
            pg_catalog.string_agg(case c.type when 'null' then '-' else '+' end || c.path, ',' order by c.path collate "C"),
            'UTF8'
          )
        ) as shape
      from cells c
      group by c.n
    ) as s
  ),
  shaped as materialized (
    select
      s.shape, c.n, c.path, c.value, c.text,
      case
        when c.path in ('seq', 'txid') then 'number'
        when c.type <> 'string' then 'plain'
        when pg_catalog.length(c.text) = 36
          and c.text ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'
          then 'uuid'
        -- exactly how to_jsonb writes a time; February 29 stays plain rather than asking for the year
        when pg_catalog.length(c.text) between 25 and 32
          and c.text ~ '^(19|20)\d\d-((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{0,5}[1-9])?\+00:00$'
          then 'time'
        else 'plain'
      end as kind
    from cells c
    join row_shapes s on s.n = c.n
  ),
  columns as (
    select
      c.shape, c.path,
      case
        when pg_catalog.min(c.kind) = pg_catalog.max(c.kind) and pg_catalog.min(c.kind) <> 'plain' then pg_catalog.min(c.kind)
        when pg_catalog.min(c.value::text) = pg_catalog.max(c.value::text) then 'same'
        else 'plain'
      end as kind
    from shaped c
    group by c.shape, c.path
  ),
  typed as materialized (
    select
      c.shape, c.path, c.n, c.value, c.text, k.kind,
      pg_catalog.row_number() over (order by c.shape, c.path collate "C", c.n) as place
    from shaped c
    join columns k on k.shape = c.shape and k.path = c.path
  ),
  dictionary as materialized (
    select t.text, pg_catalog.row_number() over (order by pg_catalog.min(t.place)) as position
    from typed t
    where t.kind = 'uuid'
    group by t.text
  ),
  numbered as (
    select
      t.shape, t.path, t.n, t.kind, t.value,
      case t.kind
        when 'uuid' then d.position
        when 'number' then t.text::bigint
        when 'time' then (extract(epoch from t.text::timestamptz) * 1000000)::bigint
      end as number
    from typed t
    left join dictionary d on t.kind = 'uuid' and d.text = t.text
  ),
  differences as (
    select
      n.*,
      n.number - coalesce(pg_catalog.lag(n.number) over (partition by n.shape, n.path order by n.n), 0::bigint) as difference
    from numbered n
  ),
  packed as (
    select
      d.shape, d.path, pg_catalog.count(*) as rows,
      pg_catalog.jsonb_build_array(
        d.path, d.kind,
        case d.kind
          when 'plain' then pg_catalog.jsonb_agg(d.value order by d.n)
          when 'same' then (pg_catalog.array_agg(d.value))[1]
          else pg_catalog.jsonb_agg(d.difference order by d.n)
        end
      ) as column_values
    from differences d
    group by d.shape, d.path, d.kind
  )
  select
    coalesce(
      (select pg_catalog.string_agg(pg_catalog.uuid_send(d.text::uuid), ''::bytea order by d.position) from dictionary d),
      ''::bytea
    ),
    (
      select pg_catalog.jsonb_agg(s.shape order by s.number)
      from (
        select
          p.shape as number,
          pg_catalog.jsonb_build_object(
            'rows', pg_catalog.max(p.rows), 'columns', pg_catalog.jsonb_agg(p.column_values order by p.path collate "C")
          ) as shape
        from packed p
        group by p.shape
      ) as s
    )
$$;

comment on function audit.encode_rows(jsonb[]) is 'about=Turns rows of a log (as JSON objects without nulls at the top) into columns; ids holds the UUIDs that they name, 16 bytes each.';

create function audit.decode_rows(p_ids bytea, p_content jsonb) returns setof jsonb
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
  set timezone = 'UTC'
  set jit = off -- estimates are far off here, and compiling would cost more than running
as $$
declare
  v_ids uuid[] := array(
    select pg_catalog.encode(pg_catalog.substr(p_ids, i * 16 + 1, 16), 'hex')::uuid
    from pg_catalog.generate_series(0, pg_catalog.octet_length(p_ids) / 16 - 1) as i
    order by i
  );
  v_shape jsonb;
begin
  for v_shape in select s.value from pg_catalog.jsonb_array_elements(p_content) as s loop
    return query
      with columns as (
        select
          pg_catalog.split_part(c.value ->> 0, '.', 1) as name,
          nullif(pg_catalog.substr(c.value ->> 0, pg_catalog.strpos(c.value ->> 0, '.')), c.value ->> 0) as key,
          c.value ->> 1 as kind, c.value -> 2 as content
        from pg_catalog.jsonb_array_elements(v_shape -> 'columns') as c
      ),
      cells as (
        select
          c.name, c.key, v.n,
          case c.kind
            when 'plain' then v.value
            when 'number' then pg_catalog.to_jsonb(v.number)
            when 'uuid' then pg_catalog.to_jsonb(v_ids[v.number])
            else pg_catalog.to_jsonb(timestamptz 'epoch' + v.number * interval '1 microsecond')
          end as value
        from columns c
        cross join lateral (
          select
            e.value, e.n,
            case when c.kind <> 'plain' then
              pg_catalog.sum(case when c.kind <> 'plain' then e.value::bigint end) over (order by e.n)::bigint
            end as number
          from pg_catalog.jsonb_array_elements(c.content) with ordinality as e (value, n)
        ) as v
        where c.kind <> 'same'
        union all
        select c.name, c.key, n, c.content
        from columns c, pg_catalog.generate_series(1, (v_shape ->> 'rows')::bigint) as n
        where c.kind = 'same'
      ),
      fields as (
        select c.n, c.name, c.value from cells c where c.key is null
        union all
        select c.n, c.name, pg_catalog.jsonb_object_agg(pg_catalog.substr(c.key, 2), c.value)
        from cells c
        where c.key is not null
        group by c.n, c.name
      )
      select pg_catalog.jsonb_object_agg(f.name, f.value) from fields f group by f.n;
  end loop;
end
$$;

comment on function audit.decode_rows(bytea, jsonb) is 'about=The rows that audit.encode_rows made columns of, in no order.';

-- PostgreSQL itself offers bytea no entropy coder: pglz reaches 70 % here, zlib 88 %. pgcrypto brings zlib, inside PGP
-- messages. The password is no secret and nothing is kept secret by it; the message also carries a checksum.
create function audit.compress(p_plain bytea, p_codec text) returns bytea
  language sql
  volatile
  set search_path = pg_catalog, pg_temp
as $$
  select case p_codec
    when 'zlib' then public.pgp_sym_encrypt_bytea(
      p_plain, 'not a secret', 'cipher-algo=aes128, s2k-mode=0, compress-algo=2, compress-level=6'
    )
    when 'none' then p_plain
  end
$$;

comment on function audit.compress(bytea, text) is 'about=Compresses the content of an archive by zlib, or not at all (none).';

create function audit.decompress(p_packed bytea, p_codec text) returns bytea
  language sql
  immutable
  set search_path = pg_catalog, pg_temp
as $$
  select case p_codec
    when 'zlib' then public.pgp_sym_decrypt_bytea(p_packed, 'not a secret')
    when 'none' then p_packed
  end
$$;

comment on function audit.decompress(bytea, text) is 'about=Undoes audit.compress.';
