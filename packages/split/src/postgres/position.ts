import type { Connection } from '@imhotep/postgres'
import type { Position } from '../model.ts'
import { inTransaction } from './session.ts'

/**
 * The end of the log. The message that is written behind it is flushed with everything before, so that a reader comes past
 * the position also when nobody writes.
 */
export function endOfLog(session: Connection): Promise<Position> {
  return inTransaction(
    session,
    async () => {
      const position = await insertPosition(session)
      await emitMark(session, 'mark')
      return position
    },
    'begin; set local synchronous_commit = on',
  )
}

/** Everything that is committed lies before it. */
export async function insertPosition(session: Connection): Promise<Position> {
  const [row] = await session.query<{ position: Position }>('select pg_current_wal_insert_lsn()::text as position')
  return row?.position as Position
}

/** Writes a message into the log, as a part of the open transaction. */
export async function emitMark(session: Connection, what: 'mark' | 'fence' | 'snapshot'): Promise<void> {
  await session.query(`select pg_logical_emit_message(true, 'imhotep', $1)`, [what])
}
