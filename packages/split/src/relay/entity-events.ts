import { defaultTopologyOptions } from '@imhotep/engine'
import type { Database, Transaction } from '@imhotep/postgres'

const { refsTable } = defaultTopologyOptions

/** What the owner of a row told of it, in its outbox. */
export interface EntityEvent {
  /** Transaction that wrote it. */
  readonly txid: string
  readonly seq: string
  readonly tenant: string
  /** `schema.table` */
  readonly table: string
  readonly row: string
  /** JSON as the owner wrote it: numbers keep their digits. */
  readonly payload: string
}

export interface EventQuery {
  /** A snapshot (pg_snapshot) of the owner's database: what it sees was heard. */
  readonly since: string
  /** Events about rows of these tables, `schema.table`. */
  readonly tables: readonly string[]
  /** The last event that was read since then. */
  readonly after?: EntityEvent | undefined
  readonly limit: number
}

/**
 * Events that a snapshot does not see, and the snapshot that sees them all. A snapshot instead of a number, because
 * transactions do not commit in the order of their numbers, and nobody should wait for the slowest.
 */
export async function eventsSince(
  owner: Database,
  { since, tables, after, limit }: EventQuery,
): Promise<{ readonly events: readonly EntityEvent[]; readonly snapshot: string }> {
  const [found] = await owner.query<{ snapshot: string; events: EntityEvent[] }>(
    String.raw`
      select pg_current_snapshot()::text as snapshot,
             (select coalesce(json_agg(e), '[]')
                from (select e.txid::text, e.aggregate_seq::text as seq, e.tenant_id as tenant, e.aggregate_type as "table",
                             e.aggregate_id as "row", e.payload::text
                        from core.outbox_events e
                       where e.txid >= pg_snapshot_xmin($1::pg_snapshot) and not pg_visible_in_snapshot(e.txid, $1::pg_snapshot)
                         and (e.txid, e.aggregate_seq) > ($2::xid8, $3::bigint)
                         and e.aggregate_type = any ($4) and e.event_type ~ '\.(created|updated|deleted)\.v1$'
                         and e.payload ?& array['lifecycle', 'attrs']
                       order by e.txid, e.aggregate_seq limit $5) e) as events`,
    [since, after?.txid ?? '0', after?.seq ?? '0', tables, limit],
  )
  return { events: found?.events ?? [], snapshot: found?.snapshot ?? since }
}

export async function snapshotOf(owner: Database): Promise<string> {
  const [row] = await owner.query<{ snapshot: string }>('select pg_current_snapshot()::text as snapshot')
  return row?.snapshot ?? ''
}

/** Another text for another database, and for the same one after it was set back or its standby has taken over. */
export async function originOf(owner: Database): Promise<string> {
  const [row] = await owner.query<{ origin: string }>(
    `select concat_ws('/', s.system_identifier, d.oid, left(pg_walfile_name(pg_current_wal_lsn()), 8)) as origin
       from pg_control_system() s, pg_database d where d.datname = current_database()`,
  )
  return row?.origin ?? ''
}

/** Notes many events as `core.apply_entity_event` does one; returns for how many rows they were news. */
export async function applyEvents(reader: Transaction, owner: string, events: readonly EntityEvent[]): Promise<number> {
  if (events.length === 0) return 0
  // Who refers to two of these rows and waits for this must not be the one that a deadlock ends.
  await reader.query(`set local deadlock_timeout = '20ms'`)
  const [told] = await reader.query<{ rows: number }>(
    `with told as (
       insert into ${refsTable} as r (tenant_id, entity_type, entity_id, lifecycle, attrs, source_service, source_version)
       select distinct on (e.tenant, e."table", e."row")
              e.tenant, e."table", e."row", e.payload::jsonb ->> 'lifecycle', e.payload::jsonb -> 'attrs', $1, e.seq
         from jsonb_to_recordset($2::text::jsonb) e (tenant uuid, "table" text, "row" uuid, seq bigint, payload text)
        order by e.tenant, e."table", e."row", e.seq desc
       on conflict (tenant_id, entity_type, entity_id) do update
         set lifecycle = excluded.lifecycle, attrs = excluded.attrs, source_service = excluded.source_service,
             source_version = excluded.source_version, refreshed_at = now()
         where r.source_version < excluded.source_version
       returning 1)
     select count(*)::int as rows from told`,
    [owner, JSON.stringify(events)],
  )
  return told?.rows ?? 0
}
