import type { Connection, Database } from '@imhotep/postgres'
import { isMissingTable, withSession } from '../postgres/session.ts'

/** How far a service has heard the events of another one; kept in its database, with what they told. */
export interface Heard {
  readonly owner: string
  /** The owner's database, as long as it is the same one and was not set back. */
  readonly origin: string
  /** What is kept of the owner's tables, as a text that changes with it. */
  readonly kept: string
  /** Tenants whose rows are kept. */
  readonly tenants: readonly string[]
  /** What this snapshot (pg_snapshot) of the owner's database sees was heard. */
  readonly snapshot: string
}

/** Longer than this nobody may stay away: the outbox keeps its events for 14 days. */
const maxDaysAway = 7

const schemaSql = `
  set client_min_messages = warning;
  select pg_advisory_xact_lock(hashtext('imhotep_relay'));
  create schema if not exists imhotep_relay;
  comment on schema imhotep_relay is 'what imhotep relay remembers; drop it when another relay hands events to core.apply_entity_event';
  create table if not exists imhotep_relay.heard (
    owner text primary key,
    origin text not null,
    kept text not null,
    tenants uuid[] not null,
    snapshot pg_snapshot not null,
    heard_at timestamptz not null default now()
  );
  comment on table imhotep_relay.heard is 'class=operational;scope=global;owner=kernel;fhir=none;retention=operational;about=Up to when this service knows what it keeps of the rows of others.';
  comment on column imhotep_relay.heard.owner is 'class=operational;about=The other service.';
  comment on column imhotep_relay.heard.origin is 'class=operational;about=Its database: server, database and timeline.';
  comment on column imhotep_relay.heard.kept is 'class=operational;about=Digest of what is kept of its tables.';
  comment on column imhotep_relay.heard.tenants is 'class=operational;about=Tenants whose rows are kept.';
  comment on column imhotep_relay.heard.snapshot is 'class=operational;about=What this snapshot of its database sees was heard.';
  comment on column imhotep_relay.heard.heard_at is 'class=operational;about=When it was noted last.';
`

/** Null when nothing was heard yet, or too long ago. */
export async function readHeard(reader: Database, owner: string): Promise<Heard | null> {
  try {
    const [row] = await reader.query<Heard>(
      `select owner, origin, kept, tenants, snapshot::text from imhotep_relay.heard
        where owner = $1 and heard_at > now() - interval '${maxDaysAway} days'`,
      [owner],
    )
    return row ?? null
  } catch (error) {
    if (!isMissingTable(error)) throw error
    await withSession(reader.url, (session) => session.script(schemaSql))
    return null
  }
}

export async function noteHeard(reader: Pick<Connection, 'query'>, heard: Heard): Promise<void> {
  await reader.query(
    `insert into imhotep_relay.heard (owner, origin, kept, tenants, snapshot) values ($1, $2, $3, $4, $5)
     on conflict (owner) do update
       set origin = excluded.origin, kept = excluded.kept, tenants = excluded.tenants,
           snapshot = excluded.snapshot, heard_at = excluded.heard_at`,
    [heard.owner, heard.origin, heard.kept, heard.tenants, heard.snapshot],
  )
}
