import type { Connection } from '@imhotep/postgres'
import type { Position } from '../model.ts'
import { inTransaction } from './session.ts'

/**
 * The end of the log. The message that is written behind it is flushed with everything before, so that a reader comes past
 * the position also when nobody writes.
 */
export function endOfLog(session: Connection): Promise<Position> {
  return inTransaction(session, async () => {
    const [row] = await session.query<{ position: Position }>('select pg_current_wal_insert_lsn()::text as position')
    await session.query(`select pg_logical_emit_message(true, 'imhotep', 'mark')`)
    return row?.position as Position
  })
}
