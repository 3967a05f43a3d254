import { connect, DatabaseError, type Connection } from '@imhotep/postgres'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Patience } from '../side.ts'
import { TableBusyError } from './errors.ts'

/** Values must have one text, whoever asks, and a policy must be an error instead of rows that are silently missing. */
export const sessionSettings: Readonly<Record<string, string>> = {
  TimeZone: 'UTC',
  DateStyle: 'ISO',
  IntervalStyle: 'postgres',
  extra_float_digits: '1',
  bytea_output: 'hex',
  standard_conforming_strings: 'on',
  search_path: 'pg_catalog',
  row_security: 'off',
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  // What is confirmed to the other side must outlive a crash here, whatever the server thinks of its own clients.
  synchronous_commit: 'on',
  jit: 'off',
  // Rows are aggregated in the order of a subquery; and a server in use has other work for its processors.
  max_parallel_workers_per_gather: '0',
}

/** A connection with these settings. */
export async function openSession(url: string, more: Readonly<Record<string, string>> = {}): Promise<Connection> {
  const connection = await connect(url, { applicationName: 'imhotep split' }).dedicated()
  try {
    const all = Object.entries({ ...sessionSettings, ...more })
    await connection.script(all.map(([name, value]) => `set ${name} = '${value}'`).join(';'))
    return connection
  } catch (error) {
    await connection.release()
    throw error
  }
}

export async function withSession<T>(url: string, work: (session: Connection) => Promise<T>): Promise<T> {
  const session = await openSession(url)
  try {
    return await work(session)
  } finally {
    await session.release()
  }
}

/**
 * Runs a statement that holds a password so that the server's log and its statistics do not show it. The settings go ahead
 * of it in a message of their own: whether a message is logged is decided before the first of its statements runs.
 */
export async function runUnlogged(session: Connection, sql: string): Promise<void> {
  const settings = {
    log_statement: 'none',
    log_min_error_statement: 'panic',
    log_min_duration_statement: '-1',
    log_min_duration_sample: '-1',
    log_transaction_sample_rate: '0',
    'pg_stat_statements.track_utility': 'off',
  }
  await session.script(
    Object.entries(settings)
      .map(([name, value]) => `set ${name} = '${value}'`)
      .join(';'),
  )
  try {
    await session.script(sql)
  } finally {
    await session
      .script(
        Object.keys(settings)
          .map((name) => `reset ${name}`)
          .join(';'),
      )
      .catch(() => undefined)
  }
}

/** The statement named a table, or a schema, that is not there. */
export function isMissingTable(error: unknown): boolean {
  return error instanceof DatabaseError && ['3F000', '42P01'].includes(error.sqlstate)
}

/** Runs `work` in a transaction of the session. */
export async function inTransaction<T>(session: Connection, work: () => Promise<T>, begin = 'begin'): Promise<T> {
  await session.script(begin)
  try {
    const result = await work()
    await session.script('commit')
    return result
  } catch (error) {
    await session.script('rollback').catch(() => undefined)
    throw error
  }
}

/** An autovacuum steps back from a table when somebody has waited for as long as `deadlock_timeout`: well within ours. */
const shortLocks = `set local lock_timeout = '200ms'; set local deadlock_timeout = '50ms'`

export interface ShortLocksOptions extends Patience {
  /** When the waiting began, in milliseconds. */
  readonly since?: number
  readonly begin?: string
}

/**
 * Runs a transaction that locks tables, again and again until it gets them: whoever waits for a lock keeps everybody
 * behind waiting as well, so each attempt waits only for a moment, and lets them pass for as long.
 */
export async function withShortLocks<T>(
  session: Connection,
  work: () => Promise<T>,
  { seconds = 30, since = Date.now(), signal, begin = 'begin' }: ShortLocksOptions = {},
): Promise<T> {
  const deadline = since + seconds * 1000
  for (;;) {
    try {
      return await inTransaction(session, work, `${begin}; ${shortLocks}`)
    } catch (error) {
      if (!(error instanceof DatabaseError) || !['55P03', '40P01'].includes(error.sqlstate)) throw error
      signal?.throwIfAborted()
      if (Date.now() > deadline) throw new TableBusyError(seconds, { cause: error })
      await sleep(100 + Math.random() * 200)
    }
  }
}
