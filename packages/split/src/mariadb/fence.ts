import { createHash } from 'node:crypto'
import type { MovedTable, Position, TableName } from '../model.ts'
import { prepareBookkeeping, triggerTable } from './bookkeeping.ts'
import { ownPrefix } from './catalog.ts'
import { masterPosition } from './position.ts'
import type { Session } from './session.ts'
import { ownStatement, quoteTable, quoteText } from './sql-text.ts'
import { withTableLocks } from './table-locks.ts'

const events = ['insert', 'update', 'delete'] as const
/** Names of triggers may have 64 characters, as those of tables. */
const maxName = 64

/**
 * Refuses changes of the tables from now on. The application's own triggers would fire when changes come back from the other
 * side: they are written down and dropped until `unfenceTables`. Killed half-way it leaves what either can finish.
 */
export async function fenceTables(session: Session, database: string, moved: readonly MovedTable[]): Promise<Position> {
  const tables = moved.map(({ source }) => source)
  await prepareBookkeeping(session, database)
  const triggers = await readTriggers(session, tables)
  const missing = tables.flatMap((table) =>
    events
      .filter((event) => !triggers.some(({ name }) => name === fenceName(table, event)))
      .map((event) => ({ table, event })),
  )
  const theirs = triggers.filter(({ name }) => !name.startsWith(ownPrefix))
  if (missing.length === 0 && theirs.length === 0) return masterPosition(session)
  for (const trigger of theirs) await keep(session, trigger)
  return withTableLocks(session, tables, async () => {
    for (const { table, event } of missing) await session.run(fenceTrigger(table, event))
    for (const { table, name } of theirs) {
      await session.run(`${ownStatement} drop trigger if exists ${quoteTable({ ...table, name })}`)
    }
    return masterPosition(session)
  })
}

/** Takes away whatever part of a fence there is, and puts the application's triggers back. */
export async function unfenceTables(session: Session, database: string, moved: readonly MovedTable[]): Promise<void> {
  const tables = moved.map(({ source }) => source)
  if (tables.length === 0) return
  await prepareBookkeeping(session, database)
  const triggers = await readTriggers(session, tables)
  const ours = triggers.filter(({ name }) => name.startsWith(ownPrefix))
  const names = tables.map(({ name }) => quoteText(name)).join(', ')
  const kept = await session.rows(
    `select table_name, trigger_name, sql_mode, charset, collation, definition from ${triggerTable}
      where table_name in (${names}) order by table_name, place`,
  )
  if (ours.length > 0 || kept.length > 0) {
    await withTableLocks(session, tables, async () => {
      for (const [table, name, ...rest] of kept) {
        if (triggers.some((trigger) => trigger.table.name === table && trigger.name === name)) continue
        await recreate(session, rest)
      }
      for (const { table, name } of ours) {
        await session.run(`${ownStatement} drop trigger if exists ${quoteTable({ ...table, name })}`)
      }
    })
  }
  await session.run(`delete from ${triggerTable} where table_name in (${names})`)
}

interface Trigger {
  readonly table: TableName
  readonly name: string
  /** Among those of its table. */
  readonly place: number
}

async function readTriggers(session: Session, tables: readonly TableName[]): Promise<Trigger[]> {
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

async function keep(session: Session, { table, name, place }: Trigger): Promise<void> {
  const [row] = await session.rows(`show create trigger ${quoteTable({ ...table, name })}`)
  const [, sqlMode, definition, charset, collation] = row ?? []
  const values = [table.name, name].map(quoteText)
  const texts = [sqlMode, charset, collation, definition].map((text) => quoteText(text ?? ''))
  await session.run(
    `replace into ${triggerTable} (table_name, trigger_name, place, sql_mode, charset, collation, definition)
     values (${values.join(', ')}, ${place}, ${texts.join(', ')})`,
  )
}

/** A trigger keeps the settings that it was made under. */
async function recreate(session: Session, [sqlMode, charset, collation, definition]: (string | null)[]): Promise<void> {
  await session.run(
    `set session sql_mode = ${quoteText(sqlMode ?? '')}, character_set_client = ${charset}, collation_connection = ${collation}`,
  )
  try {
    await session.run(definition ?? '')
  } finally {
    await session.run(`set names utf8mb4`)
    await session.run(`set session sql_mode = ''`)
  }
}

function fenceName({ name }: TableName, event: string): string {
  const full = `${ownPrefix}${event.slice(0, 1)}_${name}`
  if (full.length <= maxName) return full
  return `${full.slice(0, maxName - 9)}_${createHash('md5').update(name).digest('hex').slice(0, 8)}`
}

function fenceTrigger(table: TableName, event: (typeof events)[number]): string {
  const name = quoteTable({ ...table, name: fenceName(table, event) })
  const message = `IMH01 ${table.name} is not written here: its service has a database of its own`.slice(0, 128)
  return (
    `${ownStatement} create trigger if not exists ${name} before ${event} on ${quoteTable(table)} for each row ` +
    `begin if @imhotep_split_apply is null then signal sqlstate '45000' set message_text = ${quoteText(message)}; end if; end`
  )
}
