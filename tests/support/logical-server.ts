import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { connect, startEmbedded, type EmbeddedServer } from '@imhotep/postgres'
import { atEnd } from './at-end.ts'
import { roomyDirectory } from './roomy-directory.ts'
import { testSettings, testVersion } from './server.ts'

const logicalSettings: Readonly<Record<string, string>> = {
  ...testSettings,
  wal_level: 'logical',
  // what is decoded was flushed before, by nobody else where commits do not wait
  wal_writer_delay: '10ms',
  max_replication_slots: '120',
  max_wal_senders: '120',
  max_worker_processes: '80',
  max_logical_replication_workers: '60',
  max_connections: '300',
  max_prepared_transactions: '5',
  // a slot that is left behind holds no more than this
  max_slot_wal_keep_size: '2GB',
}

let server: Promise<EmbeddedServer> | undefined

/** The server with a logical log that all test files of this process share; it goes away at the end. */
export function logicalServer(): Promise<EmbeddedServer> {
  server ??= startLogicalServer().then((started) => {
    atEnd(() => started.remove())
    return started.server
  })
  return server
}

/** A server of one's own, for tests that kill it. */
export async function startLogicalServer(settings: Readonly<Record<string, string>> = {}) {
  const directory = await mkdtemp(join(await roomyDirectory(), 'imhotep-logical-'))
  // its user must be able to enter
  await chmod(directory, 0o755)
  const version = testVersion()
  const origins: Record<string, string> = version >= 18 ? { max_active_replication_origins: '60' } : {}
  const options = { directory, version, settings: { ...logicalSettings, ...origins, ...settings } }
  return {
    server: await startEmbedded(options),
    /** After a kill. */
    restart: () => startEmbedded(options),
    async remove() {
      await (await startEmbedded(options)).stop('immediate')
      await rm(directory, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

export interface LogicalDatabase extends AsyncDisposable {
  readonly name: string
  /** Superuser. */
  readonly url: string
}

/** A fresh database on that server; its slots go with it. */
export async function logicalDatabase(name = 'split'): Promise<LogicalDatabase> {
  const server = await logicalServer()
  const chosen = `${name}_${randomBytes(5).toString('hex')}`
  await runOn(server.url(), `create database ${chosen} template template0 strategy file_copy`)
  return {
    name: chosen,
    url: server.url(chosen),
    async [Symbol.asyncDispose]() {
      await runOn(
        server.url(),
        `select pg_terminate_backend(active_pid) from pg_replication_slots where database = '${chosen}' and active`,
      )
      await runOn(
        server.url(chosen),
        'select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = current_database()',
      )
      await runOn(server.url(), `drop database if exists ${chosen} with (force)`)
    },
  }
}

/** Runs SQL on a connection of its own. */
export async function runOn(url: string, sql: string): Promise<void> {
  const connection = await connect(url, { applicationName: 'imhotep-tests' }).dedicated()
  try {
    await connection.script(sql)
  } finally {
    await connection.release()
  }
}
