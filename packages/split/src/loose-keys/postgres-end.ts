import type { Connection, Database } from '@imhotep/postgres'
import type { TableName } from '../model.ts'
import { withShortLocks } from '../postgres/session.ts'
import { columnList, identifier, literal, qualified } from '../postgres/sql-text.ts'
import type { DeletedKey, LooseEnd } from './loose-key.ts'

const schemaSql = `
  create schema if not exists imhotep_split;
  create table if not exists imhotep_split.deleted_keys (
    id bigint generated always as identity primary key,
    table_name text not null,
    column_names text[] not null,
    key_values text[] not null,
    deleted_at timestamptz not null default clock_timestamp()
  );
  comment on table imhotep_split.deleted_keys is 'parents that are gone and whose children in other services are not settled yet';
  create or replace function imhotep_split.remember_deleted() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
  begin
    execute format(
      'insert into imhotep_split.deleted_keys (table_name, column_names, key_values)
       select %L, $1, array[%s] from gone',
      format('%s.%s', tg_table_schema, tg_table_name),
      (select string_agg(format('%I::text', name), ', ') from unnest(tg_argv) name))
    using tg_argv::text[];
    return null;
  end
  $$;
`

const trigger = 'imhotep_split_remember_deleted'

/** PostgreSQL's end. What the mover applies fires no trigger, so that a deletion is remembered where a client made it. */
export function postgresEnd(db: Database): LooseEnd {
  return {
    async watch(table, columns) {
      const given = columns.map(literal).join(', ')
      await onSession(db, async (session) => {
        await session.script(`set client_min_messages = warning; ${schemaSql}`)
        await withShortLocks(session, () =>
          session.script(
            `create or replace trigger ${trigger} after delete on ${qualified(table)}
               referencing old table as gone for each statement
               execute function imhotep_split.remember_deleted(${given})`,
          ),
        )
      })
    },
    unwatch: (table) =>
      onSession(db, (session) =>
        withShortLocks(session, () => session.script(`drop trigger if exists ${trigger} on ${qualified(table)}`)),
      ),

    async deleted(limit) {
      const [{ exists } = { exists: false }] = await db.query<{ exists: boolean }>(
        `select to_regclass('imhotep_split.deleted_keys') is not null as exists`,
      )
      if (!exists) return []
      return db.query<DeletedKey>(
        `select id::text, table_name as "table", column_names as columns, key_values as values
           from imhotep_split.deleted_keys order by id limit $1`,
        [limit],
      )
    },
    async forget(ids) {
      await db.query('delete from imhotep_split.deleted_keys where id = any ($1::bigint[])', [ids])
    },

    async settle(table, columns, keys, action, limit) {
      const given = await givenKeys(db, table, columns)
      const victims = `victims as (
        select t.tableoid, t.ctid from ${qualified(table)} t
         where (${columns.map((name) => `t.${identifier(name)}`).join(', ')}) in (select ${columnList(columns)} from given)
         order by t.tableoid, t.ctid limit ${limit} for update)`
      // a place is one row in each partition
      const isVictim = '(t.tableoid, t.ctid) = (victims.tableoid, victims.ctid)'
      const change =
        action === 'delete'
          ? `delete from ${qualified(table)} t using victims where ${isVictim} returning 1`
          : `update ${qualified(table)} t set ${columns.map((name) => `${identifier(name)} = null`).join(', ')}
               from victims where ${isVictim} returning 1`
      const [row] = await db.query<{ count: number }>(
        `with given as (${given}), ${victims}, changed as (${change}) select count(*)::int as count from changed`,
        byColumn(columns, keys),
      )
      return row?.count ?? 0
    },

    async referredKeys(table, columns, after, limit) {
      const list = columnList(columns)
      const types = await columnTypes(db, table, columns)
      const behind = `where (${list}) > (${types.map((type, index) => `$${index + 1}::${type}`).join(', ')})`
      const notNull = columns.map((name) => `${identifier(name)} is not null`).join(' and ')
      const rows = await db.query<{ key: string[] }>(
        `select array[${columns.map((name) => `${identifier(name)}::text`).join(', ')}] as key from (
           select distinct ${list} from ${qualified(table)}
           ${after ? `${behind} and` : 'where'} ${notNull} order by ${list} limit ${limit}) k`,
        after ?? [],
      )
      return rows.map(({ key }) => key)
    },

    async missingKeys(table, columns, keys) {
      if (keys.length === 0) return []
      const given = await givenKeys(db, table, columns)
      const same = columns.map((name) => `p.${identifier(name)} = g.${identifier(name)}`).join(' and ')
      const rows = await db.query<{ key: string[] }>(
        `with given as (${given})
         select array[${columns.map((name) => `g.${identifier(name)}::text`).join(', ')}] as key from given g
          where not exists (select from ${qualified(table)} p where ${same})`,
        byColumn(columns, keys),
      )
      return rows.map(({ key }) => key)
    },
  }
}

async function onSession(db: Database, work: (session: Connection) => Promise<void>): Promise<void> {
  const session = await db.dedicated()
  try {
    await work(session)
  } finally {
    await session.release()
  }
}

/** A query of the keys that come as one array of texts a column, in the types of the table's columns so that its index serves. */
async function givenKeys(db: Database, table: TableName, columns: readonly string[]): Promise<string> {
  const types = await columnTypes(db, table, columns)
  return `select * from unnest(${types.map((type, index) => `$${index + 1}::text[]::${type}[]`).join(', ')})
            as k(${columnList(columns)})`
}

function byColumn(columns: readonly string[], keys: readonly (readonly string[])[]): string[][] {
  return columns.map((_, index) => keys.map((key) => key[index] as string))
}

async function columnTypes(db: Database, table: TableName, columns: readonly string[]): Promise<string[]> {
  const rows = await db.query<{ name: string; type: string }>(
    `select attname as name, format_type(atttypid, -1) as type from pg_attribute
      where attrelid = to_regclass($1) and attname = any ($2)`,
    [qualified(table), columns],
  )
  return columns.map((name) => rows.find((row) => row.name === name)?.type ?? 'text')
}
