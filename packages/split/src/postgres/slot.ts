import { DatabaseError, type Connection, type Transaction } from '@imhotep/postgres'
import type { Position } from '../model.ts'
import { WritersBusyError } from './errors.ts'
import { inTransaction } from './session.ts'
import { literal } from './sql-text.ts'

/** How long a long transaction may keep a place in the log from being found. */
export const maxWaitSeconds = 60

/**
 * Makes a slot and returns where it begins: behind all transactions that write now, in whatever database of the server, for
 * which the server waits.
 * @throws WritersBusyError when one of them does not end; no slot is left then
 */
export async function createSlot(session: Connection, name: string, seconds = maxWaitSeconds): Promise<Position> {
  const make = () =>
    session.query<{ position: string }>(
      `select lsn::text as position from pg_create_logical_replication_slot($1, 'pgoutput')`,
      [name],
    )
  try {
    const [made] = await inTransaction(session, make, `begin; set local statement_timeout = '${seconds}s'`)
    return made?.position as Position
  } catch (error) {
    if (error instanceof DatabaseError && error.sqlstate === '57014') {
      throw new WritersBusyError(seconds, await writersSince(session, seconds), { cause: error })
    }
    throw error
  }
}

/**
 * Drops the slot, when this database has it. Who reads it loses the connection, and so does who still waits for it to be
 * made: of a process that was killed the server does not notice while it waits.
 */
export async function dropSlot(session: Connection, name: string): Promise<void> {
  const ofThisDatabase = `slot_name = ${literal(name)} and database = current_database()`
  await session.script(
    `do $$ begin
       perform pg_terminate_backend(active_pid, 5000) from pg_replication_slots where ${ofThisDatabase} and active;
     end $$`,
  )
  await session.script(`select pg_drop_replication_slot(slot_name) from pg_replication_slots where ${ofThisDatabase}`)
}

/** Who has been writing for so long: sessions, and transactions that were prepared and left. */
export async function writersSince(db: Transaction, seconds: number): Promise<string[]> {
  const rows = await db.query<{ who: string }>(
    `select format('pid %s (%s in %s, since %s)', pid, usename, datname, to_char(xact_start, 'HH24:MI:SS')) as who,
            xact_start as since
       from pg_stat_activity where backend_xid is not null and pid <> pg_backend_pid() and xact_start < clock_timestamp() - $1::interval
     union all
     select format('prepared transaction %s (%s in %s, since %s)', gid, owner, database, to_char(prepared, 'HH24:MI:SS')), prepared
       from pg_prepared_xacts where prepared < clock_timestamp() - $1::interval
      order by since`,
    [`${seconds} s`],
  )
  return rows.map(({ who }) => who)
}
