import type { Connection, Database } from '@imhotep/postgres'
import type { Querier } from './runner.ts'

/**
 * Works on a connection that is closed at the end, which takes back an open transaction. An abort cancels what `cancellable`
 * connections do, again and again until they are through with it: a function may catch it.
 */
export async function withCancel<T>(
  db: Database,
  signal: AbortSignal | undefined,
  work: (connection: Connection, cancellable: (other: Connection) => Querier) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted()
  const connection = await db.dedicated()
  const pids = [connection.pid]
  let cancelling = Promise.resolve()
  let timer: NodeJS.Timeout | undefined
  const cancel = () => {
    // No second connection to be had: the statement runs to its end.
    cancelling = db
      .query('select pg_catalog.pg_cancel_backend(pid) from pg_catalog.pg_stat_activity where pid = any ($1::int[])', [
        pids,
      ])
      .then(undefined, () => undefined) as Promise<void>
  }
  const stop = () => {
    cancel()
    timer = setInterval(cancel, 500)
  }
  signal?.addEventListener('abort', stop, { once: true })
  try {
    const result = await work(connection, (other) => {
      if (other !== connection) pids.push(other.pid)
      return {
        query: async (sql, params) => {
          signal?.throwIfAborted()
          return other.query(sql, params)
        },
      }
    })
    signal?.throwIfAborted()
    return result
  } catch (error) {
    if (signal?.aborted) throw signal.reason
    throw error
  } finally {
    signal?.removeEventListener('abort', stop)
    clearInterval(timer)
    await cancelling
    await rollBack(connection)
  }
}

/** The server has taken everything back when this returns, not only heard that we left. */
async function rollBack(connection: Connection): Promise<void> {
  try {
    if (!connection.lost) {
      await connection.script('rollback')
      await connection.script('discard all') // a session ends some time after its client has left, its locks with it
    }
  } finally {
    await connection.release()
  }
}
