import { randomBytes } from 'node:crypto'
import { runOn, startLogicalServer } from '../../../tests/support/logical-server.ts'
import { openSession } from '../../../packages/split/src/mariadb/session.ts'
import { needsMariadb, startMariadb } from '../../../tests/support/mariadb.ts'

/** The servers that a split works with, for the time of a bench. */
export interface Servers {
  /** Superuser of the PostgreSQL server that services move to. */
  readonly targetUrl: string
  postgresDatabase(name: string): Promise<string>
  /** URL of an empty database of MariaDB. */
  mariadbDatabase(name: string): Promise<string>
  close(): Promise<void>
}

/** @throws when MariaDB is not installed: half of the figures would be missing */
export async function startServers(): Promise<Servers> {
  if (needsMariadb) throw new Error(needsMariadb)
  const postgres = await startLogicalServer({ shared_buffers: '512MB', max_wal_size: '4GB' })
  const mariadb = await startMariadb()
  return {
    targetUrl: postgres.server.url(),
    async postgresDatabase(name) {
      const chosen = `${name}_${randomBytes(4).toString('hex')}`
      await runOn(postgres.server.url(), `create database ${chosen}`)
      return postgres.server.url(chosen)
    },
    async mariadbDatabase(name) {
      await runMariadb(mariadb.url(), `create database ${name}`)
      return mariadb.url(name)
    },
    async close() {
      await Promise.all([postgres.remove(), mariadb.remove()])
    },
  }
}

export async function runMariadb(url: string, ...statements: readonly string[]): Promise<void> {
  const session = await openSession(url)
  try {
    for (const statement of statements) await session.run(statement)
  } finally {
    await session.close()
  }
}
