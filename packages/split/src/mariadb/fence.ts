import type { MovedTable, Position, TableName } from '../model.ts'
import type { Patience } from '../side.ts'
import { prepareBookkeeping } from './bookkeeping.ts'
import { ownPrefix } from './catalog.ts'
import { FenceTimeoutError, TriggersFailError, type FailedTrigger } from './errors.ts'
import { fenceName } from './fence-name.ts'
import { masterPosition } from './position.ts'
import type { Session } from './session.ts'
import { ownStatement, quoteTable, quoteText } from './sql-text.ts'
import { withTableLocks } from './table-locks.ts'
import { createGuard, dropGuards, missingGuards } from './truncate-guard.ts'
import {
  createTrigger,
  forgetKept,
  keepTrigger,
  keptTriggers,
  readTriggers,
  type KeptTrigger,
  type Trigger,
} from './triggers.ts'

const events = ['insert', 'update', 'delete'] as const

/**
 * Refuses changes of the tables from now on. The application's own triggers would fire when changes come back from the other
 * side: they are written down and dropped until `unfenceTables`. Killed half-way it leaves what either can finish.
 */
export async function fenceTables(
  session: Session,
  database: string,
  moved: readonly MovedTable[],
  patience: Patience = {},
): Promise<Position> {
  const tables = moved.map(({ source }) => source)
  await prepareBookkeeping(session, database)
  const triggers = await readTriggers(session, tables)
  const missing = tables.flatMap((table) =>
    events
      .filter((event) => !triggers.some(({ name }) => name === fenceName(table, event)))
      .map((event) => ({ table, event })),
  )
  const theirs = triggers.filter(({ name }) => !name.startsWith(ownPrefix))
  const unguarded = await missingGuards(session, tables)
  if (missing.length === 0 && theirs.length === 0 && unguarded.length === 0) return masterPosition(session)
  for (const trigger of theirs) await keepTrigger(session, trigger)
  for (const guard of unguarded) await createGuard(session, guard)
  const fence = async () => {
    for (const { table, event } of missing) await session.run(fenceTrigger(table, event))
    for (const { table, name } of theirs) {
      await session.run(`${ownStatement} drop trigger if exists ${quoteTable({ ...table, name })}`)
    }
    return masterPosition(session)
  }
  return withTableLocks(session, tables, fence, patience)
}

/**
 * Takes away whatever part of a fence there is, and puts the application's triggers back. A table that does not get all of
 * them stays closed: its rows would come without what they do. It keeps no other one closed, and neither does one in use:
 * those that can be had at once come first.
 * @throws TriggersFailError, FenceTimeoutError
 */
export async function unfenceTables(session: Session, database: string, moved: readonly MovedTable[]): Promise<void> {
  const tables = moved.map(({ source }) => source)
  await prepareBookkeeping(session, database)
  const failed: FailedTrigger[] = []
  const deadline = Date.now() + openSeconds * 1000
  let busy: unknown
  let left: readonly TableName[] = tables
  for (const isLast of [false, true]) {
    if (left.length === 0) break
    const triggers = await readTriggers(session, left)
    const kept = await keptTriggers(
      session,
      left.map(({ name }) => name),
    )
    const waiting: TableName[] = []
    for (const table of left) {
      const closed = {
        table,
        triggers: triggers.filter((trigger) => trigger.table.name === table.name),
        kept: kept.filter((trigger) => trigger.table === table.name),
      }
      const seconds = isLast ? Math.max(0, (deadline - Date.now()) / 1000) : 0
      try {
        failed.push(...(await openTable(session, closed, seconds)))
      } catch (error) {
        if (!(error instanceof FenceTimeoutError)) throw error
        waiting.push(table)
        busy = error
      }
    }
    left = waiting
  }
  if (failed.length > 0) throw new TriggersFailError(failed)
  if (left.length > 0) throw busy
}

/** How long for all tables together. */
const openSeconds = 30

interface ClosedTable {
  readonly table: TableName
  readonly triggers: readonly Trigger[]
  readonly kept: readonly KeptTrigger[]
}

/** Returns the triggers that cannot be made, for which the table stays closed. */
async function openTable(
  session: Session,
  { table, triggers, kept }: ClosedTable,
  seconds: number,
): Promise<FailedTrigger[]> {
  const failed: FailedTrigger[] = []
  const ours = triggers.filter(({ name }) => events.some((event) => name === fenceName(table, event)))
  const open = async () => {
    for (const { name, definition } of kept) {
      if (triggers.some((trigger) => trigger.name === name)) continue
      await createTrigger(session, definition).catch((error: Error) => failed.push({ table: table.name, name, error }))
    }
    if (failed.length > 0) return
    for (const { name } of ours) {
      await session.run(`${ownStatement} drop trigger if exists ${quoteTable({ ...table, name })}`)
    }
  }
  if (ours.length > 0 || kept.length > 0) await withTableLocks(session, [table], open, { seconds })
  if (failed.length > 0) return failed
  await dropGuards(session, [table], { seconds })
  await forgetKept(session, [table.name])
  return []
}

/** Those of the tables whose fence is whole. */
export async function fencedTables(session: Session, tables: readonly TableName[]): Promise<TableName[]> {
  const names = new Set((await readTriggers(session, tables)).map(({ name }) => name))
  const open = new Set((await missingGuards(session, tables)).map(({ table }) => quoteTable(table)))
  return tables.filter(
    (table) => !open.has(quoteTable(table)) && events.every((event) => names.has(fenceName(table, event))),
  )
}

function fenceTrigger(table: TableName, event: (typeof events)[number]): string {
  const name = quoteTable({ ...table, name: fenceName(table, event) })
  const message = `IMH01 ${table.name} is not written here: its service has a database of its own`.slice(0, 128)
  return (
    `${ownStatement} create trigger if not exists ${name} before ${event} on ${quoteTable(table)} for each row ` +
    `begin if @imhotep_split_apply is null then signal sqlstate '45000' set message_text = ${quoteText(message)}; end if; end`
  )
}
