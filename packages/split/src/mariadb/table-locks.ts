import { setTimeout as sleep } from 'node:timers/promises'
import type { TableName } from '../model.ts'
import { FenceTimeoutError } from './errors.ts'
import { errorCode, type Session } from './session.ts'
import { quoteTable } from './sql-text.ts'

const maxAttempts = 15

/**
 * Runs work while nobody else can touch the tables. Whoever waits for a lock blocks all who come behind: after a second it
 * lets them pass and tries again.
 */
export async function withTableLocks<T>(
  session: Session,
  tables: readonly TableName[],
  work: () => Promise<T>,
): Promise<T> {
  await lock(session, tables)
  try {
    return await work()
  } finally {
    await session.run('unlock tables').catch(() => undefined)
  }
}

async function lock(session: Session, tables: readonly TableName[]): Promise<void> {
  await retryBusy(session, tables, `lock tables ${tables.map((table) => `${quoteTable(table)} write`).join(', ')}`)
}

/** Runs one statement that waits for tables, and never long. @throws FenceTimeoutError */
export async function retryBusy(session: Session, tables: readonly TableName[], sql: string): Promise<void> {
  await session.run('set session lock_wait_timeout = 1')
  for (let attempt = 1; ; attempt++) {
    try {
      await session.run(sql)
      return
    } catch (error) {
      if (!['ER_LOCK_WAIT_TIMEOUT', 'ER_LOCK_DEADLOCK'].includes(errorCode(error))) throw error
      if (attempt === maxAttempts) throw new FenceTimeoutError(tables, attempt, { cause: error })
      await sleep(20 + Math.random() * 100)
    }
  }
}
