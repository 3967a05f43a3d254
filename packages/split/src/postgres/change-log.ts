import { createHash } from 'node:crypto'
import type { Connection, Transaction } from '@imhotep/postgres'
import type { MovedTable, Position } from '../model.ts'
import { ChangeLogLostError, ChangeLogTablesError } from './errors.ts'
import type { End } from './layout.ts'
import { dropPartitionGuards, guardPartitions } from './partition-guard.ts'
import { publish, publishedTables, unpublish } from './publication.ts'
import { createSlot, dropSlot } from './slot.ts'
import { identifier, qualified } from './sql-text.ts'

/**
 * Name of slot and publication. Slots are of the server: two databases may have logs of the same name. Their names take
 * these characters only, and 63 of them.
 */
export function slotName(database: string, log: string): string {
  const name = log.toLowerCase().replace(/[^a-z0-9_]/g, '_')
  const hash = createHash('sha256').update(database).digest('hex').slice(0, 8)
  return `${(name.startsWith('imhotep') ? name : `imhotep_${name}`).slice(0, 54)}_${hash}`
}

async function slotHere(db: Transaction, log: string): Promise<string> {
  const [row] = await db.query<{ database: string }>('select current_database() as database')
  return slotName(row?.database ?? '', log)
}

interface SlotRow {
  readonly position: string | null
  readonly lost: boolean
  readonly elsewhere: boolean
}

/**
 * Makes publication and slot unless they are there, and returns where the log begins. The publication comes first: a slot
 * sees the catalog as it was, so what is published must be known before.
 * @throws ChangeLogLostError, ChangeLogTablesError, WritersBusyError
 */
export async function openChangeLog(
  session: Connection,
  log: string,
  tables: readonly MovedTable[],
  end: End,
): Promise<Position> {
  const name = await slotHere(session, log)
  const slot = await findSlot(session, name)
  if (slot?.elsewhere) throw new ChangeLogLostError(log, `another database of the server has a slot '${name}'`)
  if (slot?.lost) throw new ChangeLogLostError(log, 'the server has removed changes that were not read yet')
  const published = await publishedTables(session, name)
  const wanted = tables.map((table) => qualified(table[end])).toSorted()

  if (published === null || (!slot && !isSame(published, wanted))) {
    await publish(session, name, wanted, published)
    await session.script(
      `comment on publication ${identifier(name)} is 'changes for a move to a database of its own (imhotep split)'`,
    )
  } else if (!isSame(published, wanted)) throw new ChangeLogTablesError(log)
  // Of a service nobody looks at the files of its tables, as the way there does.
  if (end === 'target') await guardPartitions(session, tables, end)
  if (slot?.position && published !== null) return slot.position

  if (slot) await dropSlot(session, name)
  return createSlot(session, name)
}

/**
 * Drops slot and publication; a reader that is still there loses its connection.
 * @param since when the waiting for tables that clients hold began, in milliseconds
 */
export async function closeChangeLog(session: Connection, log: string, since: number): Promise<void> {
  const name = await slotHere(session, log)
  await dropSlot(session, name)
  await unpublish(session, name)
  await dropPartitionGuards(session, since)
}

export interface Lag {
  readonly bytes: number | null
  readonly followed: boolean | null
}

/** How much of the log was not read for good yet; null when it is not open here, or was lost. */
export async function slotLag(db: Transaction, log: string): Promise<Lag | null> {
  const [slot] = await db.query<Lag>(
    `select pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::int8 as bytes, active as followed
       from pg_replication_slots
      where slot_name = $1 and database = current_database() and wal_status is distinct from 'lost'`,
    [await slotHere(db, log)],
  )
  return slot ?? null
}

async function findSlot(session: Connection, name: string): Promise<SlotRow | undefined> {
  const [slot] = await session.query<SlotRow>(
    `select confirmed_flush_lsn::text as position, coalesce(wal_status = 'lost', false) as lost,
            database is distinct from current_database() as elsewhere
       from pg_replication_slots where slot_name = $1`,
    [name],
  )
  return slot
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, at) => name === b[at])
}
