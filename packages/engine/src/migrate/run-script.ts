import { setTimeout as sleep } from 'node:timers/promises'
import { withConnection, type MigrationSession } from './migration-session.ts'
import { sqlstateOf } from './statement-failure.ts'

/** Lock not available, deadlock, serialization failure: another attempt may succeed. */
const WORTH_ANOTHER_TRY = new Set(['55P03', '40P01', '40001'])

/** Sends a text as one simple query message, again where that may help. An abort cancels the running statement. */
export async function runScript(
  session: MigrationSession,
  sql: string,
  label: string,
  beforeRetry?: () => Promise<void>,
): Promise<void> {
  await tryAgain(session, label, () => sendScript(session, sql), beforeRetry)
}

/**
 * Repeats `work` after lock timeouts, deadlocks and serialization failures, with growing pauses; `beforeRetry` cleans up
 * what the attempt left. When it throws, no transaction is open.
 */
export async function tryAgain(
  session: MigrationSession,
  label: string,
  work: () => Promise<void>,
  beforeRetry: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await work()
      return
    } catch (error) {
      await session.connection.script('rollback').catch(() => undefined)
      const state = sqlstateOf(error)
      const isFinal = state === null || !WORTH_ANOTHER_TRY.has(state) || attempt >= session.attempts
      if (isFinal || session.signal?.aborted) throw error
      const pause = 200 * 2 ** (attempt - 1) * (0.75 + Math.random() / 2)
      session.progress(`${label}: ${reasonOf(state)}, trying again in ${(pause / 1000).toFixed(1)} s`)
      await sleep(pause, undefined, { signal: session.signal }).catch(() => undefined)
      if (session.signal?.aborted) throw error
      await beforeRetry()
    }
  }
}

/** Sends a text once; an abort cancels it. */
export function sendScript(session: MigrationSession, sql: string): Promise<void> {
  return cancellable(session, () => session.connection.script(sql))
}

/** Runs a statement on the session's connection; an abort cancels it. */
export async function cancellable<T>(session: MigrationSession, send: () => Promise<T>): Promise<T> {
  const { signal, connection, url } = session
  if (!signal) return send()

  signal.throwIfAborted()
  // The cancel request must have arrived before the connection is used again: it would hit the next statement.
  let cancelled: Promise<void> | undefined
  const cancel = () => {
    cancelled = cancelBackend(url, connection.pid)
  }
  signal.addEventListener('abort', cancel, { once: true })
  try {
    return await send()
  } finally {
    signal.removeEventListener('abort', cancel)
    await cancelled
  }
}

async function cancelBackend(url: string, pid: number): Promise<void> {
  try {
    await withConnection(url, (connection) => connection.query('select pg_catalog.pg_cancel_backend($1::int)', [pid]))
  } catch {
    // No second connection to be had: the statement runs to its end, and the run stops behind it.
  }
}

function reasonOf(sqlstate: string): string {
  return sqlstate === '55P03' ? 'a table is locked by somebody else' : 'lost against another transaction'
}
