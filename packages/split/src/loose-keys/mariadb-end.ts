import { existingTables } from '../mariadb/catalog.ts'
import type { Session } from '../mariadb/session.ts'
import { ownStatement, quoteName, quoteTable, quoteText } from '../mariadb/sql-text.ts'
import { retryBusy } from '../mariadb/table-locks.ts'
import { tableId, type TableName } from '../model.ts'
import type { LooseEnd } from './loose-key.ts'

const triggerName = (table: TableName) =>
  quoteTable({ schema: table.schema, name: `imhotep_split_deleted_${table.name}`.slice(0, 64) })

/**
 * MariaDB's end, in one database of its server. Rows that InnoDB deletes by a cascade fire no trigger there: their children
 * in other services are found by the search for orphans.
 */
export function mariadbEnd(session: Session, schema: string): LooseEnd {
  const queueTable: TableName = { schema, name: 'imhotep_split_deleted_keys' }
  const queue = quoteTable(queueTable)
  const list = (columns: readonly string[]) => columns.map(quoteName).join(', ')
  const rowOf = (columns: readonly string[], of = (name: string) => quoteName(name)) =>
    `(${columns.map(of).join(', ')})`
  const values = (keys: readonly (readonly string[])[]) =>
    keys.map((key) => `(${key.map(quoteText).join(', ')})`).join(', ')
  return {
    async watch(table, columns) {
      await session.run(
        `${ownStatement} create table if not exists ${queue} (
           id bigint unsigned not null auto_increment primary key,
           table_name varchar(200) not null,
           column_names json not null,
           key_values json not null,
           deleted_at timestamp(6) not null default current_timestamp(6)) character set utf8mb4`,
      )
      const names = columns.map(quoteText).join(', ')
      const old = columns.map((name) => `cast(old.${quoteName(name)} as char)`).join(', ')
      await retryBusy(
        session,
        [table],
        `${ownStatement} create or replace trigger ${triggerName(table)} after delete on ${quoteTable(table)} for each row
         begin
           if @imhotep_split_apply is null then
             insert into ${queue} (table_name, column_names, key_values)
             values (${quoteText(tableId(table))}, json_array(${names}), json_array(${old}));
           end if;
         end`,
      )
    },
    async unwatch(table) {
      await retryBusy(session, [table], `${ownStatement} drop trigger if exists ${triggerName(table)}`)
    },

    async deleted(limit) {
      if ((await existingTables(session, [queueTable])).length === 0) return []
      const rows = await session.rows(
        `select id, table_name, column_names, key_values from ${queue} order by id limit ${limit}`,
      )
      return rows.map(([id, table, columns, keys]) => ({
        id: id as string,
        table: table as string,
        columns: JSON.parse(columns as string) as string[],
        values: JSON.parse(keys as string) as (string | null)[],
      }))
    },
    async forget(ids) {
      if (ids.length > 0) await session.run(`delete from ${queue} where id in (${ids.map(quoteText).join(', ')})`)
    },

    settle(table, columns, keys, action, limit) {
      const change =
        action === 'delete'
          ? `delete from ${quoteTable(table)}`
          : `update ${quoteTable(table)} set ${columns.map((name) => `${quoteName(name)} = null`).join(', ')}`
      return session.run(`${change} where ${rowOf(columns)} in (${values(keys)}) limit ${limit}`)
    },

    async referredKeys(table, columns, after, limit) {
      const notNull = columns.map((name) => `${quoteName(name)} is not null`).join(' and ')
      const behind = after === null ? '' : `${rowOf(columns)} > ${values([after])} and`
      const rows = await session.rows(
        `select distinct ${list(columns)} from ${quoteTable(table)}
          where ${behind} ${notNull} order by ${list(columns)} limit ${limit}`,
      )
      return rows as string[][]
    },

    async missingKeys(table, columns, keys) {
      if (keys.length === 0) return []
      const found = await session.rows(
        `select ${list(columns)} from ${quoteTable(table)} where ${rowOf(columns)} in (${values(keys)})`,
      )
      const present = new Set(found.map((key) => JSON.stringify(key)))
      return keys.filter((key) => !present.has(JSON.stringify(key))).map((key) => [...key])
    },
  }
}
