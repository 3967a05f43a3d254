import { setTimeout as sleep } from 'node:timers/promises'
import { UsageError } from '@imhotep/base'
import type { Client } from './client.ts'
import type { Transaction, TransactionOptions } from './database.ts'
import { CommitUnknownError, ConnectionLostError, DatabaseError } from './errors/database-error.ts'
import { isRetryable, isStalePlan } from './errors/to-database-error.ts'
import type { Pool } from './pool.ts'

/** Runs the work in a transaction and repeats it, with a growing random pause, after conflicts. See `Database.transaction`. */
export async function runTransaction<T>(
  pool: Pool,
  work: (tx: Transaction) => Promise<T>,
  options: TransactionOptions = {},
): Promise<T> {
  const { retries = 5 } = options
  for (let attempt = 0; ; attempt++) {
    try {
      return await pool.use((client) => attemptOnce(client, work, options))
    } catch (error) {
      if (attempt >= retries || !(isRetryable(error) || isStalePlan(error))) throw error
      await sleep(pauseMs(attempt))
    }
  }
}

async function attemptOnce<T>(
  client: Client,
  work: (tx: Transaction) => Promise<T>,
  options: TransactionOptions,
): Promise<T> {
  let over = false
  let failure: unknown
  const run = async <R>(sql: string, params?: readonly unknown[]) => {
    try {
      return await client.send<R>(sql, params)
    } catch (error) {
      // Later statements only say that the transaction is aborted: the first failure is the reason.
      if (error instanceof DatabaseError) failure ??= error
      throw error
    }
  }
  const transaction: Transaction = {
    query: async (sql, params) => {
      if (over) throw transactionOver()
      return [...(await run<never>(sql, params))]
    },
  }

  // Nothing is awaited up to the first statement of the work: all of it leaves in one message.
  const opening = [run(beginStatement(options))]
  for (const { sql, params } of options.first ?? []) opening.push(run(sql, params))
  const opened = Promise.all(opening)
  opened.catch(() => undefined)

  try {
    // The driver never answers what waits behind an opening that found no server.
    const unopened = opened.then(() => new Promise<never>(() => {}))
    const result = await Promise.race([work(transaction), unopened])
    await opened
    over = true
    await commit(client, () => failure)
    return result
  } catch (error) {
    over = true
    if (!client.lost) await client.send('rollback').catch(() => undefined)
    await opened.catch(() => undefined)
    throw isAborted(error) && failure !== undefined ? failure : error
  }
}

function beginStatement({ isolation, readOnly }: TransactionOptions): string {
  return ['begin', isolation && `isolation level ${isolation}`, readOnly && 'read only'].filter(Boolean).join(' ')
}

/** COMMIT of an aborted transaction succeeds as ROLLBACK: work that swallowed an error must not look committed. */
async function commit(client: Client, failure: () => unknown): Promise<void> {
  let command: string
  try {
    command = (await client.send('commit')).command
  } catch (error) {
    throw error instanceof ConnectionLostError ? new CommitUnknownError({ cause: error }) : error
  }
  if (command === 'COMMIT') return
  throw failure() ?? new DatabaseError('the transaction was rolled back', { sqlstate: '25P02' })
}

function isAborted(error: unknown): boolean {
  return error instanceof DatabaseError && error.sqlstate === '25P02'
}

/** 10, 20, 40, ... ms, of which a random part is waited: those who collided must not meet again. */
function pauseMs(attempt: number): number {
  return Math.random() * Math.min(10 * 2 ** attempt, 500)
}

function transactionOver(): UsageError {
  return new UsageError('the transaction is over', {
    hint: 'await every statement inside the function that transaction() was given',
  })
}
