import { createClient } from './client.ts'
import { copyFrom, copyOut, copyRows } from './copy.ts'
import type { Connection, ConnectOptions, Database } from './database.ts'
import { Pool } from './pool.ts'
import { runTransaction } from './transaction.ts'
import { readUrl } from './target.ts'

/**
 * Makes a pool of connections to `url` (postgres://user:password@host:port/database?sslmode=...). Nothing is sent before
 * the first statement. Without sslmode, PGSSLMODE decides, and without both nothing is encrypted; a certificate is looked
 * at with verify-ca and verify-full only. A host may be the directory of a unix socket.
 * @throws UsageError when the text is not a PostgreSQL URL, or has a parameter that is not known
 */
export function connect(url: string, options: ConnectOptions = {}): Database {
  readUrl(url)
  const pool = new Pool(() => createClient(url, options), options.max ?? 10)

  return {
    url,
    query: (sql, params) => pool.use(async (client) => [...(await client.send<never>(sql, params))]),
    transaction: (work, transactionOptions) => runTransaction(pool, work, transactionOptions),
    dedicated: () => openDedicated(url, options),
    copyFrom: (sql, rows) => copyFrom(pool, sql, rows),
    close: () => pool.close(),
  }
}

async function openDedicated(url: string, options: ConnectOptions): Promise<Connection> {
  const client = createClient(url, options)
  try {
    const [row] = await client.send<{ pid: number }>('select pg_backend_pid() as pid')
    return {
      pid: row?.pid as number,
      get lost() {
        return client.lost
      },
      query: async (sql, params) => [...(await client.send<never>(sql, params))],
      script: async (sql) => void (await client.script(sql)),
      answer: (sql) => client.answer(sql),
      copyFrom: (sql, rows) => copyRows(client, sql, rows),
      copyTo: (sql) => copyOut(client, sql),
      release: () => client.close({ force: true }),
    }
  } catch (error) {
    await client.close({ force: true })
    throw error
  }
}
