import type {
  ReferentialAction,
  SharedColumn,
  SharedForeignKey,
  SharedIndex,
  SharedTable,
  TableName,
} from '../model.ts'
import type { SharedCatalog, SharedRoutine } from '../side.ts'
import type { Session } from './session.ts'
import { quoteText } from './sql-text.ts'

/** Our own tables and triggers begin with this. */
export const ownPrefix = 'imhotep_split_'

type Rows = (string | null)[][]

/** All that one database holds, apart from what a move itself left in it. */
export async function readCatalog(session: Session, database: string): Promise<SharedCatalog> {
  const here = quoteText(database)
  const tables = await readTables(session, database)
  const views = await session.rows(
    `select table_name, view_definition from information_schema.views where table_schema = ${here} order by 1`,
  )
  const routines = await session.rows(
    `select routine_name, lower(routine_type), routine_definition from information_schema.routines
      where routine_schema = ${here} order by 1`,
  )
  const events = await session.rows(
    `select event_name, 'event', event_definition from information_schema.events where event_schema = ${here} order by 1`,
  )
  const triggers = await session.rows(
    `select trigger_name, event_object_table, action_statement from information_schema.triggers
      where trigger_schema = ${here} and left(trigger_name, ${ownPrefix.length}) <> ${quoteText(ownPrefix)} order by 1`,
  )
  return {
    tables,
    views: views.map(([name, body]) => ({ schema: database, name: name ?? '', kind: 'view', body: body ?? '' })),
    routines: [...routines, ...events].map(([name, kind, body]) => ({
      schema: database,
      name: name ?? '',
      kind: kind as SharedRoutine['kind'],
      body: body ?? '',
    })),
    triggers: triggers.map(([name, table, body]) => ({
      schema: database,
      name: name ?? '',
      kind: 'trigger',
      body: body ?? '',
      table: { schema: database, name: table ?? '' },
    })),
  }
}

/** Base tables of a database with their columns, keys and estimated size. */
export async function readTables(session: Session, database: string): Promise<SharedTable[]> {
  const here = quoteText(database)
  const own = `left(table_name, ${ownPrefix.length}) <> ${quoteText(ownPrefix)}`
  const tables = await session.rows(
    `select table_name, ifnull(table_rows, 0), ifnull(data_length, 0) + ifnull(index_length, 0), table_comment
       from information_schema.tables
      where table_schema = ${here} and table_type in ('BASE TABLE', 'SYSTEM VERSIONED') and ${own} order by 1`,
  )
  const columns = byFirst(await readColumns(session, here))
  const checks = await readChecks(session, here)
  const json = jsonColumns(checks)
  const indexes = byFirst(
    await session.rows(
      `select table_name, index_name, non_unique, column_name, sub_part, collation, index_type
         from information_schema.statistics
        where table_schema = ${here} order by table_name, index_name, seq_in_index`,
    ),
  )
  const foreignKeys = byFirst(
    await session.rows(
      `select k.table_name, k.constraint_name, k.column_name, k.referenced_table_schema, k.referenced_table_name,
              k.referenced_column_name, lower(r.delete_rule), lower(r.update_rule)
         from information_schema.key_column_usage k
         join information_schema.referential_constraints r
           on r.constraint_schema = k.constraint_schema and r.constraint_name = k.constraint_name
              and r.table_name = k.table_name
        where k.table_schema = ${here} and r.constraint_schema = ${here} and k.referenced_table_name is not null
        order by k.table_name, k.constraint_name, k.ordinal_position`,
    ),
  )
  return tables.map(([name, rows, bytes, comment]) => {
    const table = name ?? ''
    const parts = indexes.get(table) ?? []
    return {
      schema: database,
      name: table,
      columns: (columns.get(table) ?? []).map((row) => columnOf(row, json.has(`${table}\0${row[1]}`))),
      primaryKey: parts.filter(([, index]) => index === 'PRIMARY').map((part) => part[3] ?? ''),
      indexes: indexesOf(parts.filter(([, index]) => index !== 'PRIMARY')),
      foreignKeys: foreignKeysOf(foreignKeys.get(table) ?? []),
      checks: checks
        .filter((check) => check[0] === table && jsonColumnOf(check) === null)
        .map(([, check, expression]) => ({ name: check ?? '', expression: expression ?? '' })),
      comment: comment ?? '',
      rows: Number(rows),
      bytes: Number(bytes),
    }
  })
}

/** Those of the tables that there are. */
export async function existingTables(session: Session, tables: readonly TableName[]): Promise<TableName[]> {
  const found: TableName[] = []
  for (const table of tables) {
    const name = await session.value(
      `select 1 from information_schema.tables where table_schema = ${quoteText(table.schema)} and table_name = ${quoteText(table.name)}`,
    )
    if (name !== null) found.push(table)
  }
  return found
}

function readColumns(session: Session, here: string): Promise<Rows> {
  return session.rows(
    `select table_name, column_name, column_type, is_nullable, column_default, generation_expression, extra,
            collation_name, column_comment
       from information_schema.columns where table_schema = ${here} order by table_name, ordinal_position`,
  )
}

function readChecks(session: Session, here: string): Promise<Rows> {
  return session
    .rows(
      `select table_name, constraint_name, check_clause from information_schema.check_constraints
        where constraint_schema = ${here} order by 1, 2`,
    )
    .catch(() => []) // MySQL has no table_name there
}

/** MariaDB keeps JSON as a longtext with a check; MySQL has a type of its own. */
function jsonColumns(checks: Rows): Set<string> {
  return new Set(checks.flatMap((check) => jsonColumnOf(check) ?? []))
}

function jsonColumnOf([table, , clause]: Rows[number]): string | null {
  const column = /^json_valid\(`((?:[^`]|``)+)`\)$/i.exec(clause ?? '')?.[1]
  return column === undefined ? null : `${table}\0${column.replaceAll('``', '`')}`
}

function columnOf(row: Rows[number], isJson: boolean): SharedColumn {
  const [, name, type, nullable, byDefault, generated, extra, collation, comment] = row
  const onUpdate = /on update (\S+)/i.exec(extra ?? '')?.[1]
  return {
    name: name ?? '',
    type: isJson && type === 'longtext' ? 'json' : (type ?? ''),
    nullable: nullable === 'YES',
    // MariaDB says NULL for the default NULL
    default: byDefault === 'NULL' ? null : (byDefault ?? null),
    generated: generated || null,
    identity: /auto_increment/i.test(extra ?? ''),
    collation: collation ?? null,
    comment: comment ?? '',
    ...(onUpdate === undefined ? {} : { onUpdate }),
  }
}

const indexKinds: Readonly<Record<string, SharedIndex['kind']>> = { FULLTEXT: 'fulltext', SPATIAL: 'spatial' }

function indexesOf(parts: Rows): SharedIndex[] {
  return [...group(parts, 1)].map(([name, rows]) => {
    const kind = indexKinds[rows[0]?.[6] ?? '']
    return {
      name,
      unique: rows[0]?.[2] === '0',
      columns: rows.map((row) => row[3] ?? ''),
      ...(kind === undefined ? {} : { kind }),
      parts: rows.map((row) => ({ prefix: row[4] == null ? null : Number(row[4]), descending: row[5] === 'D' })),
    }
  })
}

function foreignKeysOf(parts: Rows): SharedForeignKey[] {
  return [...group(parts, 1)].map(([name, rows]) => {
    const [, , , schema, table, , onDelete, onUpdate] = rows[0] ?? []
    return {
      name,
      columns: rows.map((row) => row[2] ?? ''),
      references: { schema: schema ?? '', name: table ?? '', columns: rows.map((row) => row[5] ?? '') },
      onDelete: onDelete as ReferentialAction,
      onUpdate: onUpdate as ReferentialAction,
    }
  })
}

const byFirst = (rows: Rows) => group(rows, 0)

function group(rows: Rows, at: number): Map<string, Rows> {
  const groups = new Map<string, Rows>()
  for (const row of rows) {
    const name = row[at] ?? ''
    const others = groups.get(name)
    if (others) others.push(row)
    else groups.set(name, [row])
  }
  return groups
}
