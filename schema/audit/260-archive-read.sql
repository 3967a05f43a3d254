-- Reading archives: with the tenant in the predicate, only those that overlap the window, newest first. An archive whose
-- first row is still in the log is left out: its month was not dropped yet and is read from there.

create function audit.unpack_archive(p_archive audit.audit_archives) returns setof jsonb
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select r.row || pg_catalog.jsonb_build_object('tenant_id', p_archive.tenant_id)
    from audit.decode_rows(
      p_archive.ids || ''::bytea, -- read from disk once, not once per UUID
      pg_catalog.convert_from(audit.decompress(p_archive.content, p_archive.codec), 'UTF8')::jsonb
    ) as r (row);
exception
  when others then -- pgcrypto, jsonb or a cast: whatever notices first that the bytes are not what was written
    raise exception 'the archive of % from % on cannot be unpacked: %', p_archive.log_name, p_archive.first_at, sqlerrm
      using errcode = 'data_corrupted', hint = 'run: imhotep audit verify';
end
$$;

comment on function audit.unpack_archive(audit.audit_archives) is 'about=The rows of an archive as JSON, in no order. XX001 when its bytes were damaged.';

-- The archives of the tenant that stand for rows that left the log.
create function audit.archives_between(
  p_log text,
  p_from timestamptz,
  p_to timestamptz,
  p_from_txid bigint default 0,
  p_to_txid bigint default 9223372036854775807
) returns setof audit.audit_archives
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select a.*
  from audit.audit_archives a
  where
    a.tenant_id = core.require_tenant()
    and a.log_name = p_log
    and a.first_at < p_to
    and a.last_at >= p_from
    and a.first_at >= p_from - interval '24 hours' -- an archive lies within a day; spares the other partitions
    and a.last_txid >= p_from_txid
    and a.first_txid < p_to_txid
    and case p_log
      when 'audit_logs' then not exists (
        select from audit.audit_logs l
        where l.tenant_id = a.tenant_id and l.occurred_at = a.first_at and l.seq = a.first_seq
      )
      else not exists (
        select from audit.phi_access_logs l
        where l.tenant_id = a.tenant_id and l.accessed_at = a.first_at and l.seq = a.first_seq
      )
    end
$$;

comment on function audit.archives_between(text, timestamptz, timestamptz, bigint, bigint) is 'about=The tenant''s archives of a log that overlap the window of time and the transactions [from, to), and whose rows are no longer in the log itself.';

create function audit.archived_audit_logs(
  p_from timestamptz,
  p_to timestamptz,
  p_patient_id uuid default null,
  p_table text default null,
  p_limit int default null
) returns setof audit.audit_logs
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_archive audit.audit_archives;
  v_found bigint := 0;
  v_count bigint;
  v_reached timestamptz := 'infinity';
begin
  for v_archive in
    select a.*
    from audit.archives_between('audit_logs', p_from, p_to) a
    -- ids are plain bytes: an archive that does not name the patient is not unpacked
    where p_patient_id is null or position(pg_catalog.uuid_send(p_patient_id) in a.ids) > 0
    order by a.last_at desc
  loop
    exit when v_found >= p_limit and v_archive.last_at < v_reached;
    return query
      select l.*
      from audit.unpack_archive(v_archive) as u (row)
      cross join lateral pg_catalog.jsonb_populate_record(null::audit.audit_logs, u.row) as l
      where
        l.occurred_at >= p_from
        and l.occurred_at < p_to
        and (p_patient_id is null or l.patient_id = p_patient_id)
        and (p_table is null or l.schema_name || '.' || l.table_name = p_table);
    get diagnostics v_count = row_count;
    v_found := v_found + v_count;
    v_reached := least(v_reached, v_archive.first_at);
  end loop;
end
$$;

comment on function audit.archived_audit_logs(timestamptz, timestamptz, uuid, text, int) is 'about=The tenant''s archived rows of audit_logs in the window, of one patient or one table (schema.name) where given, in no order; at least the newest p_limit of them.';

create function audit.archived_phi_access_logs(p_from timestamptz, p_to timestamptz, p_patient_id uuid default null)
  returns setof audit.phi_access_logs
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select l.*
  from audit.archives_between('phi_access_logs', p_from, p_to) a
  cross join lateral audit.unpack_archive(a) as u (row)
  cross join lateral pg_catalog.jsonb_populate_record(null::audit.phi_access_logs, u.row) as l
  where
    (p_patient_id is null or position(pg_catalog.uuid_send(p_patient_id) in a.ids) > 0)
    and l.accessed_at >= p_from
    and l.accessed_at < p_to
    and (p_patient_id is null or l.patient_id = p_patient_id)
$$;

comment on function audit.archived_phi_access_logs(timestamptz, timestamptz, uuid) is 'about=The tenant''s archived rows of phi_access_logs in the window, of one patient where given.';
