import type { Database } from '@imhotep/postgres'
import type { KeptTable } from '../plan/split-plan.ts'
import { isMissingTable, withSession, withShortLocks } from '../postgres/session.ts'
import { identifier, literal, qualified } from '../postgres/sql-text.ts'

/** A row that a client wrote and that other services keep something of. */
export interface ChangedRow {
  readonly id: string
  /** `schema.table` */
  readonly table: string
  readonly tenant: string
  /** The row's own id. */
  readonly row: string
}

/** For how long changes are remembered after somebody asked for them last. */
const rememberedDays = 7

const schemaSql = `
  create schema if not exists imhotep_split;
  create table if not exists imhotep_split.changed_rows (
    id bigint generated always as identity primary key,
    table_name text not null,
    tenant_id uuid not null,
    row_id uuid not null,
    changed_at timestamptz not null default clock_timestamp()
  );
  comment on table imhotep_split.changed_rows is 'rows that other services keep something of and have not been told of yet';
  create sequence if not exists imhotep_split.remembered_until;
  comment on sequence imhotep_split.remembered_until is 'seconds since 1970: later nobody may come for changed rows any more. A sequence, because transactions with an old snapshot read its value of now as well';
  create or replace function imhotep_split.remember_changed() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
  declare
    v_row record := case tg_op when 'DELETE' then old else new end;
  begin
    insert into imhotep_split.changed_rows (table_name, tenant_id, row_id)
    select tg_argv[0], v_row.tenant_id, v_row.id from imhotep_split.remembered_until
     where v_row.tenant_id is not null and last_value > extract(epoch from clock_timestamp());
    return null;
  end
  $$;
`

const extend = `select setval('imhotep_split.remembered_until', extract(epoch from now() + interval '${rememberedDays} days')::bigint)`

const trigger = 'imhotep_split_remember_changed'
const updateTrigger = 'imhotep_split_remember_update'

/**
 * Rows of these tables that clients insert, delete or change in what is kept of them are remembered from now on. What is not
 * remembered is committed when it returns. What the mover applies fires no trigger.
 */
export async function watchRows(url: string, tables: readonly KeptTable[]): Promise<void> {
  if (tables.length === 0) return
  await withSession(url, async (session) => {
    await session.script(`set client_min_messages = warning; ${schemaSql}; ${extend}`)
    // Waits for those that write now: they may have looked before.
    for (const kept of tables) await withShortLocks(session, () => session.script(triggersOf(kept)))
  })
}

function triggersOf({ table, columns }: KeptTable): string {
  const name = nameOf(table)
  const remember = `execute function imhotep_split.remember_changed(${literal(table)})`
  const always = `create or replace trigger ${trigger} after insert or delete on ${name} for each row ${remember}`
  if (columns.length === 0) return always
  const changed = columns.map((column) => `new.${identifier(column)} is distinct from old.${identifier(column)}`)
  return `${always};
    create or replace trigger ${updateTrigger} after update on ${name}
      for each row when (${changed.join(' or ')}) ${remember}`
}

/** Ends that, and forgets what is remembered. */
export async function unwatchRows(url: string, tables: readonly KeptTable[]): Promise<void> {
  if (tables.length === 0) return
  await withSession(url, async (session) => {
    for (const { table } of tables) {
      const drops = [trigger, updateTrigger].map((name) => `drop trigger if exists ${name} on ${nameOf(table)}`)
      await withShortLocks(session, () => session.script(drops.join(';')))
    }
    await session.script(
      `set client_min_messages = warning;
       drop function if exists imhotep_split.remember_changed();
       drop table if exists imhotep_split.changed_rows; drop sequence if exists imhotep_split.remembered_until`,
    )
  })
}

/** The oldest changed rows; null when some may not have been remembered: the tables are not watched, or nobody asked for too long. */
export async function changedRows(db: Database, limit: number): Promise<ChangedRow[] | null> {
  try {
    const [left] = await db.query<{ days: number }>(
      `select (last_value - extract(epoch from clock_timestamp()))::float8 / 86400 as days from imhotep_split.remembered_until`,
    )
    if (!left || left.days <= 0) return null
    if (left.days < rememberedDays - 1) await db.query(extend)
    return await db.query<ChangedRow>(
      `select id::text, table_name as "table", tenant_id as tenant, row_id as "row"
         from imhotep_split.changed_rows order by id limit $1`,
      [limit],
    )
  } catch (error) {
    if (isMissingTable(error)) return null
    throw error
  }
}

export async function forgetRows(db: Database, rows: readonly ChangedRow[]): Promise<void> {
  await db.query('delete from imhotep_split.changed_rows where id = any ($1::bigint[])', [rows.map(({ id }) => id)])
}

function nameOf(table: string): string {
  const [schema = '', name = ''] = table.split('.')
  return qualified({ schema, name })
}
