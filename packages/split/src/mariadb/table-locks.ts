import { setTimeout as sleep } from 'node:timers/promises'
import type { TableName } from '../model.ts'
import type { Patience } from '../side.ts'
import { FenceTimeoutError } from './errors.ts'
import { errorCode, errorNumber, type Session } from './session.ts'
import { quoteTable } from './sql-text.ts'

/** MariaDB's error for `max_statement_time`, which the driver has no name for. */
const statementTimedOut = 1969

/**
 * Runs work while nobody else can touch the tables. Whoever waits for a lock blocks all who come behind: after a moment it
 * lets them pass for as long, and tries again. The moments grow, for many tables that are each in use.
 */
export async function withTableLocks<T>(
  session: Session,
  tables: readonly TableName[],
  work: () => Promise<T>,
  patience: Patience = {},
): Promise<T> {
  const lock = `lock tables ${tables.map((table) => `${quoteTable(table)} write`).join(', ')}`
  const next = (attempt: number) => {
    patience.onAttempt?.()
    const seconds = Math.min(1, 0.2 + attempt / 10)
    // lock_wait_timeout is in whole seconds; MySQL knows no shorter limit
    return { sql: `/*M! set statement max_statement_time = ${seconds} for */ ${lock}`, seconds }
  }
  await retry(session, tables, next, patience)
  try {
    return await work()
  } finally {
    await session.run('unlock tables').catch(() => undefined)
  }
}

/** Runs one statement that waits for tables, and for each no longer than a second. @throws FenceTimeoutError */
export async function retryBusy(
  session: Session,
  tables: readonly TableName[],
  sql: string,
  patience: Patience = {},
): Promise<void> {
  await retry(session, tables, () => ({ sql, seconds: 1 }), patience)
}

interface Attempt {
  readonly sql: string
  /** How long it may keep others waiting. */
  readonly seconds: number
}

async function retry(
  session: Session,
  tables: readonly TableName[],
  next: (attempt: number) => Attempt,
  { seconds: patienceSeconds = 30, signal }: Patience = {},
): Promise<void> {
  const deadline = Date.now() + patienceSeconds * 1000
  await session.run('set session lock_wait_timeout = 1')
  for (let attempt = 0; ; attempt++) {
    const { sql, seconds } = next(attempt)
    try {
      await session.run(sql)
      return
    } catch (error) {
      if (!isBusy(error)) throw error
      signal?.throwIfAborted()
      if (Date.now() > deadline) throw new FenceTimeoutError(tables, patienceSeconds, { cause: error })
      await sleep(seconds * 1000 * (0.5 + Math.random()))
    }
  }
}

function isBusy(error: unknown): boolean {
  return (
    ['ER_LOCK_WAIT_TIMEOUT', 'ER_LOCK_DEADLOCK'].includes(errorCode(error)) || errorNumber(error) === statementTimedOut
  )
}
