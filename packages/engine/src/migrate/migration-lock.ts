import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection } from '@imhotep/postgres'
import { holderText, type Holder } from '../catalog/holder-text.ts'
import { MigrationCancelledError, MigrationLockedError, MigrationLockLostError } from './errors.ts'
import type { HistoryTable } from './history-table.ts'
import { sha256 } from './migration-file.ts'

export interface LockOptions {
  /** How long to wait for another process, milliseconds. */
  readonly lockTimeoutMs: number
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((text: string) => void) | undefined
}

/** The lock of one database's history. */
export interface MigrationLock {
  /**
   * Asks through `connection`, default the one that took the lock, which may be busy.
   * @throws MigrationLockLostError when the lock is no longer held
   */
  check(connection?: Connection): Promise<void>
  release(): Promise<void>
}

/**
 * Takes the session's advisory lock, asking again and again instead of waiting inside PostgreSQL: a waiting statement
 * holds a snapshot, and CREATE INDEX CONCURRENTLY of the holder would wait for that one in turn.
 * @throws MigrationLockedError, MigrationCancelledError
 */
export async function takeMigrationLock(
  connection: Connection,
  table: HistoryTable,
  options: LockOptions,
): Promise<MigrationLock> {
  const key = await lockKey(connection, table)
  const started = performance.now()
  let told = 0
  for (let attempt = 0; !(await tryLock(connection, key)); attempt++) {
    const waited = performance.now() - started
    const holder = await lockHolder(connection, key)
    if (waited >= options.lockTimeoutMs) throw new MigrationLockedError(holder.text, holder.pid, waited)
    if (attempt === 0 || waited - told >= 10_000) {
      options.onProgress?.(`waiting for another migration: ${holder.text}`)
      told = waited
    }
    await sleep(Math.min(50 * 1.5 ** Math.min(attempt, 6) + Math.random() * 50, options.lockTimeoutMs))
    if (options.signal?.aborted) throw new MigrationCancelledError([], null)
  }
  return {
    async check(through = connection) {
      const held = await isHeld(through, key, connection.pid).catch((cause: unknown) => {
        throw new MigrationLockLostError({ cause })
      })
      if (!held) throw new MigrationLockLostError()
    },
    async release() {
      await connection.query('select pg_catalog.pg_advisory_unlock($1::bigint)', [key])
    },
  }
}

/** A 64-bit number from database and table; as text, since JavaScript numbers are too short. */
async function lockKey(connection: Connection, table: HistoryTable): Promise<string> {
  const rows = await connection.query<{ name: string }>('select pg_catalog.current_database()::text as name')
  return sha256(`${rows[0]?.name}\n${table.schema}.${table.name}`).readBigInt64BE(0).toString()
}

async function tryLock(connection: Connection, key: string): Promise<boolean> {
  const rows = await connection.query<{ locked: boolean }>(
    'select pg_catalog.pg_try_advisory_lock($1::bigint) as locked',
    [key],
  )
  return rows[0]?.locked === true
}

/** pg_locks shows a 64-bit key as two halves. */
const LOCK_ROW = `l.locktype = 'advisory' and l.objsubid = 1 and l.granted
  and l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
  and (l.classid::bigint << 32 | l.objid::bigint) = $1::bigint`

async function isHeld(connection: Connection, key: string, pid: number): Promise<boolean> {
  const rows = await connection.query<{ held: boolean }>(
    `select exists (select from pg_catalog.pg_locks l where ${LOCK_ROW} and l.pid = $2::int) as held`,
    [key, pid],
  )
  return rows[0]?.held === true
}

async function lockHolder(connection: Connection, key: string): Promise<{ pid: number | null; text: string }> {
  const rows = await connection.query<Holder>(
    `select l.pid, a.application_name as application, a.backend_start as since
     from pg_catalog.pg_locks l left join pg_catalog.pg_stat_activity a using (pid) where ${LOCK_ROW}`,
    [key],
  )
  const holder = rows[0]
  if (!holder) return { pid: null, text: 'it has just ended' }
  return { pid: holder.pid, text: holderText(holder) }
}
