import { UsageError } from '@imhotep/base'
import { connect, type Connection } from '@imhotep/postgres'
import { createHistoryTable, historyTable, type HistoryTable } from './history-table.ts'
import { takeMigrationLock, type MigrationLock } from './migration-lock.ts'

export interface SessionOptions {
  /** Where the history is kept; default `core.schema_migrations`. */
  readonly historyTable?: string | undefined
  /** How long to wait for another migration of the same database, milliseconds; default two minutes. */
  readonly lockTimeoutMs?: number | undefined
  /** How long a statement may wait for a table's lock before it is tried again; default `3s`. */
  readonly statementLockTimeout?: string | undefined
  /** How often a file is tried that waits for a table's lock or loses against another transaction; default 6. */
  readonly attempts?: number | undefined
  /** Stops the running statement and takes the running file back. */
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((text: string) => void) | undefined
}

/** One dedicated connection that holds the migration lock. */
export interface MigrationSession {
  readonly url: string
  readonly connection: Connection
  readonly table: HistoryTable
  readonly lock: MigrationLock
  readonly statementLockTimeout: string
  readonly attempts: number
  readonly signal: AbortSignal | undefined
  readonly progress: (text: string) => void
}

const APPLICATION_NAME = 'imhotep migrate'

/** Runs `work` on a dedicated connection under the migration lock, with the history table in place. */
export async function withMigrationSession<T>(
  url: string,
  options: SessionOptions,
  work: (session: MigrationSession) => Promise<T>,
): Promise<T> {
  const table = historyTable(options.historyTable)
  const statementLockTimeout = checkedInterval(options.statementLockTimeout ?? '3s')
  return withConnection(url, async (connection) => {
    const lock = await takeMigrationLock(connection, table, {
      ...options,
      lockTimeoutMs: options.lockTimeoutMs ?? 120_000,
    })
    try {
      await createHistoryTable(connection, table)
      return await work({
        url,
        connection,
        table,
        lock,
        statementLockTimeout,
        attempts: options.attempts ?? 6,
        signal: options.signal,
        progress: options.onProgress ?? (() => undefined),
      })
    } finally {
      // When the connection broke, the server has let go of the lock by itself; the first error is the one to report.
      await lock.release().catch(() => undefined)
    }
  })
}

/** Runs `work` on one connection of its own: never a pooled one, whose session could change under our hands. */
export async function withConnection<T>(url: string, work: (connection: Connection) => Promise<T>): Promise<T> {
  const database = connect(url, { max: 1, applicationName: APPLICATION_NAME, onNotice: () => undefined })
  try {
    const connection = await database.dedicated()
    try {
      return await work(connection)
    } finally {
      await connection.release()
    }
  } finally {
    await database.close()
  }
}

function checkedInterval(text: string): string {
  if (/^\d+\s*(ms|s|min)?$/.test(text)) return text
  throw new UsageError(`'${text}' is not a lock timeout`, { hint: "write it as '3s' or '500ms'; 0 waits for ever" })
}
