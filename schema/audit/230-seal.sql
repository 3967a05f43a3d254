-- Sealing in the background. Hashing inside the audit trigger would queue up a tenant's writers behind one another;
-- a sealer closes a range of transactions every few seconds instead. It takes only transactions below the oldest one
-- that still runs: a late commit cannot slip behind a seal.

create function audit.row_hash(p_row jsonb) returns bytea
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$ select pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.jsonb_strip_nulls(p_row)::text, 'UTF8')) $$;

comment on function audit.row_hash(jsonb) is 'about=SHA-256 of a log row as JSON without nulls, so that a column added later does not change it.';

-- The rows of a log of the tenant in a range of transactions, each with its hash. Times are hashed in UTC.
create function audit.hashed_log_rows(p_log text, p_from bigint, p_to bigint) returns table (txid bigint, seq bigint, hash bytea)
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
  set timezone = 'UTC'
as $$
begin
  if p_log not in ('audit_logs', 'phi_access_logs') then
    raise exception 'no log "%"', p_log using errcode = '22023', hint = 'use audit_logs or phi_access_logs';
  end if;
  return query execute pg_catalog.format(
    'select l.txid, l.seq, audit.row_hash(pg_catalog.to_jsonb(l)) from audit.%I l where l.tenant_id = $1 and l.txid >= $2 and l.txid < $3',
    p_log
  )
  using core.require_tenant(), p_from, p_to;
end
$$;

comment on function audit.hashed_log_rows(text, bigint, bigint) is 'about=The rows of a log in the transactions [from, to) with their hashes, without archives: those hold no row that is still to be sealed.';

-- An archive that cannot be unpacked gives no rows, so that the seals name each of them as missing.
create function audit.hashed_rows(p_log text, p_from bigint, p_to bigint) returns table (txid bigint, seq bigint, hash bytea)
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_archive audit.audit_archives;
begin
  return query select l.* from audit.hashed_log_rows(p_log, p_from, p_to) l;
  for v_archive in
    select a.* from audit.archives_between(p_log, '-infinity', 'infinity', p_from, p_to) a
  loop
    begin
      return query
        select (u.row ->> 'txid')::bigint, (u.row ->> 'seq')::bigint, audit.row_hash(u.row)
        from audit.unpack_archive(v_archive) as u (row)
        where (u.row ->> 'txid')::bigint >= p_from and (u.row ->> 'txid')::bigint < p_to;
    exception
      when data_corrupted then null;
    end;
  end loop;
end
$$;

comment on function audit.hashed_rows(text, bigint, bigint) is 'about=The rows, archived ones too, that a seal over the transactions [from, to) covers, with their hashes.';

create function audit.seal_digest(p_prev bytea, p_root bytea, p_count bigint, p_no bigint, p_from bigint, p_to bigint) returns bytea
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select pg_catalog.sha256(
    p_prev || p_root || pg_catalog.int8send(p_count) || pg_catalog.int8send(p_no)
    || pg_catalog.int8send(p_from) || pg_catalog.int8send(p_to)
  )
$$;

comment on function audit.seal_digest(bytea, bytea, bigint, bigint, bigint, bigint) is 'about=What a seal stores as its digest.';

-- One sealer a tenant and log: another one has nothing to do.
create function audit.may_seal(p_log text) returns boolean
  language sql
  volatile
  set search_path = pg_catalog, pg_temp
as $$
  select pg_catalog.pg_try_advisory_xact_lock(
    pg_catalog.hashtextextended('audit.seal:' || p_log || core.require_tenant()::text, 0)
  )
$$;

comment on function audit.may_seal(text) is 'about=Takes the right to seal a log of the tenant until the transaction ends; false while another one has it.';

create function audit.next_seal(p_log text, p_to bigint) returns audit.audit_chain_anchors
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_last audit.audit_chain_anchors;
  v_next audit.audit_chain_anchors;
begin
  select a.* into v_last
  from audit.audit_chain_anchors a
  where a.tenant_id = core.require_tenant() and a.log_name = p_log
  order by a.seal_no desc
  limit 1;
  v_next.tenant_id := core.require_tenant();
  v_next.log_name := p_log;
  v_next.seal_no := coalesce(v_last.seal_no, 0) + 1;
  v_next.from_txid := coalesce(v_last.to_txid, 0);
  v_next.to_txid := p_to;
  v_next.prev_digest := coalesce(v_last.digest, pg_catalog.decode(pg_catalog.repeat('00', 32), 'hex'));
  if v_next.to_txid <= v_next.from_txid then
    return null;
  end if;

  select
    pg_catalog.count(*),
    pg_catalog.string_agg(pg_catalog.int8send(r.seq) || pg_catalog.substr(r.hash, 1, 16), ''::bytea order by r.txid, r.seq),
    pg_catalog.sha256(pg_catalog.string_agg(r.hash, ''::bytea order by r.txid, r.seq))
  into v_next.row_count, v_next.leaves, v_next.root
  from audit.hashed_log_rows(p_log, v_next.from_txid, v_next.to_txid) r;
  if v_next.row_count = 0 then
    return null;
  end if;
  v_next.digest := audit.seal_digest(
    v_next.prev_digest, v_next.root, v_next.row_count, v_next.seal_no, v_next.from_txid, v_next.to_txid
  );
  return v_next;
end
$$;

comment on function audit.next_seal(text, bigint) is 'about=The seal that would close the rows of the tenant''s log before transaction p_to; null when there are none.';

create function audit.add_seal(p_seal audit.audit_chain_anchors) returns bigint
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  insert into audit.audit_chain_anchors (
    tenant_id, log_name, seal_no, from_txid, to_txid, row_count, leaves, root, prev_digest, digest, signature, key_kid
  )
  values (
    p_seal.tenant_id, p_seal.log_name, p_seal.seal_no, p_seal.from_txid, p_seal.to_txid, p_seal.row_count, p_seal.leaves,
    p_seal.root, p_seal.prev_digest, p_seal.digest, p_seal.signature, p_seal.key_kid
  );
  if p_seal.log_name = 'audit_logs' then
    perform audit.add_to_rollups(p_seal.from_txid, p_seal.to_txid);
  end if;
  return p_seal.row_count;
end
$$;

comment on function audit.add_seal(audit.audit_chain_anchors) is 'about=Writes a seal and adds its rows to the rollups; returns how many.';

create function audit.chain_is_signed(p_log text) returns boolean
  language sql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    (
      select a.signature is not null
      from audit.audit_chain_anchors a
      where a.tenant_id = core.require_tenant() and a.log_name = p_log
      order by a.seal_no desc
      limit 1
    ),
    false
  )
$$;

comment on function audit.chain_is_signed(text) is 'about=Whether the last seal of the tenant''s log is signed: the next one must be, too.';

create function audit.seal(p_log text) returns bigint
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_seal audit.audit_chain_anchors;
begin
  if not audit.may_seal(p_log) then
    return 0;
  end if;
  if audit.chain_is_signed(p_log) then
    raise exception 'the seals of % are signed, and one without signature would break their chain', p_log
      using errcode = 'IM006', hint = 'run imhotep audit seal with --key, or call audit.digest_to_sign and audit.seal_signed';
  end if;
  v_seal := audit.next_seal(p_log, pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text::bigint);
  if v_seal.digest is null then
    return 0;
  end if;
  return audit.add_seal(v_seal);
end
$$;

comment on function audit.seal(text) is 'about=Seals the rows of the tenant''s log that can no longer change and adds them to the rollups; returns how many. IM006 the seals before are signed.';

-- The key that signs seals is never in the database: whoever seals asks for the digest, signs it and comes back with the
-- signature in the same transaction. The seal is computed again then, so that nobody can have a digest of his own stored.
create function audit.digest_to_sign(p_log text, out to_txid bigint, out digest bytea)
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_seal audit.audit_chain_anchors;
begin
  if not audit.may_seal(p_log) then
    return;
  end if;
  v_seal := audit.next_seal(p_log, pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text::bigint);
  to_txid := v_seal.to_txid;
  digest := v_seal.digest;
end
$$;

comment on function audit.digest_to_sign(text) is 'about=The digest of the next seal of the tenant''s log, for whoever signs it and calls audit.seal_signed in the same transaction; null when there is nothing to seal.';

create function audit.seal_signed(p_log text, p_to_txid bigint, p_signature bytea, p_key_kid text) returns bigint
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_seal audit.audit_chain_anchors;
begin
  if p_to_txid > pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text::bigint or not audit.may_seal(p_log) then
    raise exception 'this range of % cannot be sealed yet', p_log
      using errcode = '40001', hint = 'ask audit.digest_to_sign in the same transaction';
  end if;
  v_seal := audit.next_seal(p_log, p_to_txid);
  if v_seal.digest is null then
    return 0;
  end if;
  v_seal.signature := p_signature;
  v_seal.key_kid := p_key_kid;
  return audit.add_seal(v_seal);
end
$$;

comment on function audit.seal_signed(text, bigint, bytea, text) is 'about=Seals the rows of the tenant''s log before transaction p_to_txid with the Ed25519 signature of the digest that audit.digest_to_sign gave; returns how many. 40001 that range still changes or somebody else seals it.';

create function audit.seal_signatures(p_log text) returns table (seal_no bigint, digest bytea, signature bytea, key_kid text)
  language sql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
  select a.seal_no, a.digest, a.signature, a.key_kid
  from audit.audit_chain_anchors a
  where a.tenant_id = core.require_tenant() and a.log_name = p_log
  order by a.seal_no
$$;

comment on function audit.seal_signatures(text) is 'about=Digest and signature of every seal of the tenant''s log, for whoever has the public key: the database has none.';

create function audit.add_to_rollups(p_from bigint, p_to bigint) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  insert into audit.metrics_hourly as m (tenant_id, bucket, schema_name, table_name, action, events)
  select v_tenant, pg_catalog.date_trunc('hour', l.occurred_at, 'UTC'), l.schema_name, l.table_name, l.action, pg_catalog.count(*)
  from audit.audit_logs l
  where l.tenant_id = v_tenant and l.txid >= p_from and l.txid < p_to
  group by 2, 3, 4, 5
  on conflict (tenant_id, bucket, schema_name, table_name, action) do update set events = m.events + excluded.events;

  insert into audit.compliance_daily as c (tenant_id, bucket, action, actor_role, events, without_actor, without_purpose)
  select
    v_tenant, (l.occurred_at at time zone 'UTC')::date, l.action, coalesce(l.actor_role, ''), pg_catalog.count(*),
    pg_catalog.count(*) filter (where l.actor_user_id is null), pg_catalog.count(*) filter (where l.purpose_of_use is null)
  from audit.audit_logs l
  where l.tenant_id = v_tenant and l.txid >= p_from and l.txid < p_to
  group by 2, 3, 4
  on conflict (tenant_id, bucket, action, actor_role) do update
  set
    events = c.events + excluded.events, without_actor = c.without_actor + excluded.without_actor,
    without_purpose = c.without_purpose + excluded.without_purpose;
end
$$;

comment on function audit.add_to_rollups(bigint, bigint) is 'about=Adds the log rows of the transactions [from, to) to the rollups; called once a range, by audit.seal.';

-- Seals come every few seconds and archives hold hours: seals are recomputed some thousand rows at a time, so that an
-- archive is unpacked once or twice and not once a seal.
create function audit.recomputed_roots(p_log text, p_first_no bigint, out roots jsonb, out last_no bigint)
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_from bigint[];
  v_to bigint[];
  v_no bigint[];
begin
  select pg_catalog.array_agg(s.from_txid order by s.from_txid, s.seal_no), pg_catalog.array_agg(s.to_txid order by s.from_txid, s.seal_no),
    pg_catalog.array_agg(s.seal_no order by s.from_txid, s.seal_no), pg_catalog.max(s.seal_no)
  into v_from, v_to, v_no, last_no
  from (
    select a.seal_no, a.from_txid, a.to_txid, pg_catalog.sum(a.row_count) over (order by a.seal_no) - a.row_count as rows_before
    from audit.audit_chain_anchors a
    where a.tenant_id = core.require_tenant() and a.log_name = p_log and a.seal_no >= p_first_no
    order by a.seal_no
    limit 10000
  ) as s
  where s.rows_before < 20000;

  select pg_catalog.jsonb_object_agg(v_no[f.place], pg_catalog.encode(f.root, 'hex')) into roots
  from (
    select h.place, pg_catalog.sha256(pg_catalog.string_agg(h.hash, ''::bytea order by h.txid, h.seq)) as root
    from (
      select r.*, pg_catalog.width_bucket(r.txid, v_from) as place
      from audit.hashed_rows(p_log, v_from[1], (select pg_catalog.max(t) from pg_catalog.unnest(v_to) t)) r
    ) as h
    where h.place > 0 and h.txid < v_to[h.place]
    group by h.place
  ) as f;
end
$$;

comment on function audit.recomputed_roots(text, bigint) is 'about=The roots of the seals from p_first_no to last_no as the rows now give them, in hex by number; a seal whose rows are all gone is absent.';

create function audit.damaged_archives(p_log text, p_from bigint, p_to bigint) returns table (first_at timestamptz)
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_archive audit.audit_archives;
begin
  for v_archive in
    select a.* from audit.archives_between(p_log, '-infinity', 'infinity', p_from, p_to) a
  loop
    begin
      perform audit.unpack_archive(v_archive);
    exception
      when data_corrupted then
        first_at := v_archive.first_at;
        return next;
    end;
  end loop;
end
$$;

comment on function audit.damaged_archives(text, bigint, bigint) is 'about=The archives of rows of the transactions [from, to) whose bytes were damaged.';

create function audit.verify_chain(p_log text) returns table (seal_no bigint, seq bigint, problem text)
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_seal audit.audit_chain_anchors;
  v_no bigint := 0;
  v_to bigint := 0;
  v_prev bytea := pg_catalog.decode(pg_catalog.repeat('00', 32), 'hex');
  v_roots jsonb; -- recomputed, by seal_no
  v_roots_to bigint := 0;
begin
  for v_seal in
    select a.* from audit.audit_chain_anchors a
    where a.tenant_id = v_tenant and a.log_name = p_log
    order by a.seal_no
  loop
    seal_no := v_seal.seal_no;
    seq := null;
    if v_seal.seal_no <> v_no + 1 or v_seal.from_txid <> v_to then
      problem := 'a seal before this one is missing';
      return next;
    elsif v_seal.prev_digest <> v_prev then
      problem := 'does not follow the seal before it';
      return next;
    end if;
    if v_seal.digest <> audit.seal_digest(
      v_seal.prev_digest, v_seal.root, v_seal.row_count, v_seal.seal_no, v_seal.from_txid, v_seal.to_txid
    ) then
      problem := 'the seal itself was changed';
      return next;
    end if;

    if v_seal.seal_no > v_roots_to then
      select r.roots, r.last_no into v_roots, v_roots_to from audit.recomputed_roots(p_log, v_seal.seal_no) r;
    end if;
    if coalesce(v_roots ->> v_seal.seal_no::text, '') <> pg_catalog.encode(v_seal.root, 'hex') then
      return query
        select
          v_seal.seal_no, coalesce(stored.seq, found.seq),
          case
            when found.seq is null then 'row was removed'
            when stored.seq is null then 'row was slipped in'
            else 'row was changed'
          end
        from (
          select
            -- 8 bytes of seq, most significant first, then 16 bytes of hash
            ('x' || pg_catalog.encode(pg_catalog.substr(v_seal.leaves, i * 24 + 1, 8), 'hex'))::bit(64)::bigint as seq,
            pg_catalog.substr(v_seal.leaves, i * 24 + 9, 16) as hash
          from pg_catalog.generate_series(0, pg_catalog.octet_length(v_seal.leaves) / 24 - 1) as i
        ) as stored
        full join audit.hashed_rows(p_log, v_seal.from_txid, v_seal.to_txid) found on found.seq = stored.seq
        where pg_catalog.substr(found.hash, 1, 16) is distinct from stored.hash
        order by 2;
      if not found then
        problem := 'rows were reordered, or the leaves of the seal were changed with them';
        return next;
      end if;
      return query
        select v_seal.seal_no, null::bigint, pg_catalog.format('the archive from %s on cannot be unpacked', d.first_at at time zone 'UTC')
        from audit.damaged_archives(p_log, v_seal.from_txid, v_seal.to_txid) d
        order by d.first_at;
    end if;
    v_no := v_seal.seal_no;
    v_to := v_seal.to_txid;
    v_prev := v_seal.digest;
  end loop;
end
$$;

comment on function audit.verify_chain(text) is 'about=Recomputes every seal of the tenant''s log and names each row that was changed, removed or slipped in, and each seal that is missing or was changed. No row: all is as it was.';

create function audit.chain_head(p_log text) returns table (seal_no bigint, digest bytea, sealed_rows bigint, unsealed_rows bigint)
  language sql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
  select
    h.seal_no, h.digest,
    (
      select coalesce(pg_catalog.sum(a.row_count), 0)::bigint from audit.audit_chain_anchors a
      where a.tenant_id = core.require_tenant() and a.log_name = p_log
    ),
    (
      select pg_catalog.count(*)
      from audit.hashed_log_rows(p_log, coalesce(h.to_txid, 0::bigint), 9223372036854775807)
    )
  from (select core.require_tenant() as tenant_id) as t
  left join lateral (
    select a.seal_no, a.digest, a.to_txid
    from audit.audit_chain_anchors a
    where a.tenant_id = t.tenant_id and a.log_name = p_log
    order by a.seal_no desc
    limit 1
  ) as h on true
$$;

comment on function audit.chain_head(text) is 'about=The last seal of the tenant''s log, how many rows are sealed and how many not yet. Keep the digest elsewhere: whoever rewrites the whole chain cannot rewrite your copy.';
