import type { Session } from '../session.ts'
import { ownStatement, quoteName, quoteTable, quoteText } from '../sql-text.ts'

/** What it takes to make a trigger again, on a table of whatever name. */
export interface TriggerDefinition {
  readonly name: string
  readonly table: string
  /** `user@host`. */
  readonly definer: string
  /** `BEFORE INSERT`. */
  readonly fires: string
  readonly body: string
  readonly sqlMode: string
  readonly charset: string
  readonly collation: string
}

/** In the order in which they fire. */
export async function readTriggerDefinitions(
  session: Session,
  database: string,
  tables: readonly string[],
): Promise<TriggerDefinition[]> {
  if (tables.length === 0) return []
  const rows = (await session.rows(
    `select trigger_name, event_object_table, definer, concat(action_timing, ' ', event_manipulation), action_statement,
            sql_mode, character_set_client, collation_connection
       from information_schema.triggers
      where trigger_schema = ${quoteText(database)} and event_object_table in (${tables.map(quoteText).join(', ')})
      order by event_object_table, event_manipulation, action_timing, action_order`,
  )) as string[][]
  return rows.map(
    ([name = '', table = '', definer = '', fires = '', body = '', sqlMode = '', charset = '', collation = '']) => ({
      name,
      table,
      definer,
      fires,
      body,
      sqlMode,
      charset,
      collation,
    }),
  )
}

/** Makes it in a database, on a table of another name than its own. A trigger keeps the settings that it was made under. */
export async function createTriggerOn(
  session: Session,
  database: string,
  table: string,
  { name, definer, fires, body, sqlMode, charset, collation }: TriggerDefinition,
): Promise<void> {
  const home = await session.value('select database()')
  const host = definer.lastIndexOf('@')
  const by = `${quoteName(definer.slice(0, host))}@${quoteName(definer.slice(host + 1))}`
  await session.run(`use ${quoteName(database)}`)
  await session.run(
    `set session sql_mode = ${quoteText(sqlMode)}, character_set_client = ${charset}, collation_connection = ${collation}`,
  )
  try {
    await session.run(
      `create definer = ${by} trigger ${quoteName(name)} ${fires} on ${quoteName(table)} for each row ${body}`,
    )
  } finally {
    await session.run('set names utf8mb4')
    await session.run(`set session sql_mode = ''`)
    if (home !== null) await session.run(`use ${quoteName(home)}`)
  }
}

export async function dropTrigger(session: Session, database: string, name: string): Promise<void> {
  await session.run(`${ownStatement} drop trigger if exists ${quoteTable({ schema: database, name })}`)
}
