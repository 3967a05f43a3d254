import type { Connection } from '@imhotep/postgres'
import { partitionTree } from './sql-text.ts'

/** What a database remembers about a move. It is in the same transactions as the rows that it speaks of. */
export const bookkeepingSchema = `
  create schema if not exists imhotep_split;
  comment on schema imhotep_split is 'bookkeeping of a move to databases of their own (imhotep split); drop it when no service is on its way';

  create table if not exists imhotep_split.applied (
    log text primary key,
    position text not null,
    applied_at timestamptz not null default now()
  );
  comment on table imhotep_split.applied is 'up to where the log of another database is applied here';

  create table if not exists imhotep_split.loaded (
    table_schema text not null,
    table_name text not null,
    -- another table of this name begins anew
    table_oid oid not null,
    rows bigint not null,
    last_key text[],
    complete boolean not null,
    primary key (table_schema, table_name)
  );
  comment on table imhotep_split.loaded is 'up to which key the rows of a table are copied';

  create table if not exists imhotep_split.later_keys (
    table_oid oid primary key,
    definition text not null
  );
  comment on table imhotep_split.later_keys is 'primary keys that are made when all rows of their table are copied';

  create table if not exists imhotep_split.dropped_keys (
    table_schema text not null,
    table_name text not null,
    name text not null,
    definition text not null,
    primary key (table_schema, table_name, name)
  );
  comment on table imhotep_split.dropped_keys is 'foreign keys that crossed the border of a service, as they were';

  create or replace function imhotep_split.refuse() returns trigger language plpgsql set search_path = '' as $$
  begin
    raise exception using errcode = 'IMH01',
      message = format('%I.%I is not written here: its service has a database of its own', tg_table_schema, tg_table_name),
      hint = 'reload the route of the service and run the transaction again there';
  end
  $$;
  comment on function imhotep_split.refuse is 'the fence: clients that write to a table which has moved are sent to its new place';

  -- The server asks the table that TRUNCATE names first, and then its partitions.
  create or replace function imhotep_split.tell_truncate() returns trigger language plpgsql set search_path = '' as $$
  declare
    root constant regclass := pg_partition_root(tg_relid);
  begin
    if root = tg_relid then
      perform set_config('imhotep_split.truncates', case tg_when when 'BEFORE' then root::oid::text else '' end, true);
    elsif root is not null -- it was not detached
        and root::oid::text is distinct from current_setting('imhotep_split.truncates', true) then
      raise exception using errcode = 'IM006',
        message = format('%I.%I is not truncated by itself: the log for the way back would not tell of it', tg_table_schema, tg_table_name),
        hint = format('run: delete from %I.%I; or give up the way back: imhotep split retire', tg_table_schema, tg_table_name);
    end if;
    return null;
  end
  $$;
  comment on function imhotep_split.tell_truncate is 'refuses TRUNCATE of a single partition while the log of changes is needed';

  -- Whoever makes a partition may have no rights on this schema.
  create or replace function imhotep_split.guard_partitions() returns event_trigger
    language plpgsql security definer set search_path = '' as $$
  declare
    part text;
  begin
    for part in
      select format('%I.%I', n.nspname, c.relname)
        from pg_trigger g cross join lateral ${partitionTree('g.tgrelid')} t
        join pg_class c on c.oid = t.oid join pg_namespace n on n.oid = c.relnamespace
       where g.tgname = 'imhotep_split_truncated' and t.level > 0
         and not exists (select from pg_trigger where tgrelid = t.oid and tgname = 'imhotep_split_truncate')
    loop
      execute format('create trigger imhotep_split_truncate before truncate on %s '
                     'for each statement execute function imhotep_split.tell_truncate()', part);
    end loop;
  end
  $$;
  comment on function imhotep_split.guard_partitions is 'has TRUNCATE refused of partitions that are made while the log of changes is needed';
`

/** Any number, the same everywhere: two processes must not create the same thing at once. */
const lock = 7_240_312

const prepared = new WeakSet<Connection>()

/** Makes what is missing of it; a connection does that once. */
export async function prepareBookkeeping(session: Connection): Promise<void> {
  if (prepared.has(session)) return
  const [row] = await session.query<{ complete: boolean }>(
    `select to_regprocedure('imhotep_split.guard_partitions()') is not null
        and to_regclass('imhotep_split.later_keys') is not null as complete`,
  )
  if (!row?.complete) {
    await session.script(
      `begin; select pg_advisory_xact_lock(${lock}); set local client_min_messages = warning; ${bookkeepingSchema}; commit`,
    )
  }
  prepared.add(session)
}
