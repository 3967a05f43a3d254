import type { TableName } from '../model.ts'
import type { Session } from './session.ts'
import { triggerTable } from './bookkeeping.ts'
import { quoteTable, quoteText } from './sql-text.ts'

export interface Trigger {
  readonly table: TableName
  readonly name: string
  /** In the order in which they fire. */
  readonly place: number
}

/** What it takes to make a trigger again as it was. */
export interface TriggerDefinition {
  readonly sqlMode: string
  readonly charset: string
  readonly collation: string
  readonly sql: string
}

export async function readTriggers(session: Session, tables: readonly TableName[]): Promise<Trigger[]> {
  if (tables.length === 0) return []
  const list = tables.map(({ schema, name }) => `(${quoteText(schema)}, ${quoteText(name)})`)
  const rows = await session.rows(
    `select event_object_schema, event_object_table, trigger_name from information_schema.triggers
      where (event_object_schema, event_object_table) in (${list.join(', ')})
      order by event_object_schema, event_object_table, event_manipulation, action_timing, action_order`,
  )
  return rows.map(([schema, table, name], place) => ({
    table: { schema: schema ?? '', name: table ?? '' },
    name: name ?? '',
    place,
  }))
}

async function readDefinition(session: Session, { table, name }: Trigger): Promise<TriggerDefinition> {
  const [row] = await session.rows(`show create trigger ${quoteTable({ ...table, name })}`)
  const [, sqlMode, sql, charset, collation] = row ?? []
  return { sqlMode: sqlMode ?? '', sql: sql ?? '', charset: charset ?? '', collation: collation ?? '' }
}

/** In the session's database. A trigger keeps the settings that it was made under. */
export async function createTrigger(session: Session, definition: TriggerDefinition): Promise<void> {
  const { sqlMode, charset, collation, sql } = definition
  await session.run(
    `set session sql_mode = ${quoteText(sqlMode)}, character_set_client = ${charset}, collation_connection = ${collation}`,
  )
  try {
    await session.run(sql)
  } finally {
    await session.run(`set names utf8mb4`)
    await session.run(`set session sql_mode = ''`)
  }
}

export interface KeptTrigger {
  readonly table: string
  readonly name: string
  readonly definition: TriggerDefinition
}

/** Writes a trigger down before it is dropped, so that it can be made again whatever happens. */
export async function keepTrigger(session: Session, trigger: Trigger): Promise<void> {
  const { sqlMode, charset, collation, sql } = await readDefinition(session, trigger)
  const values = [trigger.table.name, trigger.name, sqlMode, charset, collation, sql].map(quoteText)
  await session.run(
    `replace into ${triggerTable} (table_name, trigger_name, sql_mode, charset, collation, definition, place)
     values (${values.join(', ')}, ${trigger.place})`,
  )
}

export async function keptTriggers(session: Session, tables: readonly string[]): Promise<KeptTrigger[]> {
  const rows = (await session.rows(
    `select table_name, trigger_name, sql_mode, charset, collation, definition from ${triggerTable}
      where table_name in (${tables.map(quoteText).join(', ')}) order by table_name, place`,
  )) as string[][]
  return rows.map(([table = '', name = '', sqlMode = '', charset = '', collation = '', sql = '']) => ({
    table,
    name,
    definition: { sqlMode, charset, collation, sql },
  }))
}

export async function forgetKept(session: Session, tables: readonly string[]): Promise<void> {
  if (tables.length === 0) return
  await session.run(`delete from ${triggerTable} where table_name in (${tables.map(quoteText).join(', ')})`)
}
