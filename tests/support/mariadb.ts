import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createConnection } from 'mysql2/promise'
import { atEnd } from './at-end.ts'
import { roomyDirectory } from './roomy-directory.ts'

const daemon = ['/usr/sbin/mariadbd', '/usr/local/sbin/mariadbd', '/usr/sbin/mysqld'].find(existsSync)

/** `{ skip }` of a test that needs MariaDB: the reason, or false where it is installed. */
export const needsMariadb: string | false = daemon ? false : 'needs MariaDB (apt-get install mariadb-server)'

/** Speed before safety, and what a split asks of its source. */
const settings: Readonly<Record<string, string>> = {
  log_bin: 'binlog',
  server_id: '1',
  binlog_format: 'ROW',
  binlog_row_image: 'FULL',
  default_time_zone: '+00:00',
  character_set_server: 'utf8mb4',
  collation_server: 'utf8mb4_general_ci',
  performance_schema: 'ON',
  innodb_flush_log_at_trx_commit: '0',
  innodb_buffer_pool_size: '256M',
  innodb_log_file_size: '64M',
  max_allowed_packet: '16M',
  max_connections: '300',
  bind_address: '127.0.0.1',
}

export interface MariadbServer {
  readonly port: number
  /** Of the superuser root, in this database or in none. */
  url(database?: string): string
  /** SIGKILL, as a power cut would do it. `start` brings the same data back. */
  kill(): Promise<void>
  start(): Promise<void>
  /** Stops it and removes its data. */
  remove(): Promise<void>
}

/** A server of its own with an empty data directory, started in about a second. */
export async function startMariadb(changes: Readonly<Record<string, string>> = {}): Promise<MariadbServer> {
  const directory = await mkdtemp(join(await roomyDirectory(), 'imhotep-mariadb-'))
  const data = join(directory, 'data')
  const user = process.getuid?.() === 0 ? ['--user=root'] : []
  const made = spawnSync(
    'mariadb-install-db',
    ['--no-defaults', `--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-test-db', ...user],
    { encoding: 'utf8' },
  )
  if (made.status !== 0) throw new Error(made.stderr || made.stdout)
  const port = await freePort()
  const options = Object.entries({ ...settings, ...changes }).map(([name, value]) => `--${name}=${value}`)
  // A server that starts removes the temporary tables of all others that share its directory for them.
  const place = [
    `--datadir=${data}`,
    `--tmpdir=${directory}`,
    `--socket=${join(directory, 'socket')}`,
    `--port=${port}`,
  ]
  // tools/test.ts stops by this file what an interrupted test leaves behind
  const note = join(tmpdir(), `imhotep-mariadb-${port}.running`)
  const url = (database = '') => `mysql://root@127.0.0.1:${port}/${database}`
  let child: ChildProcess | undefined

  async function start(): Promise<void> {
    child = spawn(daemon ?? 'mariadbd', ['--no-defaults', ...place, ...user, ...options], { stdio: 'ignore' })
    await writeFile(note, `${child.pid}\n${directory}\n`)
    await answers(url(), child)
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    const running = child
    child = undefined
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return
    const ended = new Promise((resolve) => running.once('exit', resolve))
    running.kill(signal)
    await ended
  }

  await start()
  return {
    port,
    url,
    start,
    kill: () => end('SIGKILL'),
    remove: async () => {
      await end('SIGKILL')
      await rm(directory, { recursive: true, force: true, maxRetries: 5 })
      await rm(note, { force: true })
    },
  }
}

let shared: Promise<MariadbServer> | undefined

/** The server that all tests of this process share. */
export function mariadbServer(): Promise<MariadbServer> {
  shared ??= startMariadb().then((server) => {
    atEnd(() => server.remove())
    return server
  })
  return shared
}

export interface MariadbDatabase extends AsyncDisposable {
  readonly name: string
  readonly url: string
  /** Runs statements in it, as root. */
  run(...statements: string[]): Promise<void>
}

/** A fresh database on the shared server. */
export async function mariadbDatabase(...statements: string[]): Promise<MariadbDatabase> {
  return mariadbDatabaseOn(await mariadbServer(), ...statements)
}

/** A fresh database on a server of one's own. */
export async function mariadbDatabaseOn(server: MariadbServer, ...statements: string[]): Promise<MariadbDatabase> {
  const name = `test_${randomBytes(5).toString('hex')}`
  await runStatements(server.url(), [`create database ${name}`])
  const url = server.url(name)
  const run = (...more: string[]) => runStatements(url, more)
  await run(...statements)
  return { name, url, run, [Symbol.asyncDispose]: () => runStatements(server.url(), [`drop database ${name}`]) }
}

async function runStatements(url: string, statements: readonly string[]): Promise<void> {
  const connection = await createConnection({ uri: url, charset: 'utf8mb4' })
  try {
    for (const statement of statements) await connection.query(statement)
  } finally {
    await connection.end()
  }
}

async function answers(url: string, child: ChildProcess): Promise<void> {
  const until = Date.now() + 60_000
  for (;;) {
    try {
      return await runStatements(url, ['select 1'])
    } catch (error) {
      if (child.exitCode !== null || Date.now() > until) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}
