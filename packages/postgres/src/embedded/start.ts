import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ImhotepError } from '@imhotep/base'
import { createClient } from '../client.ts'
import { ConnectionFailedError } from '../errors/connection-failed.ts'
import { ConnectionLostError } from '../errors/database-error.ts'
import { AuthenticationFailedError, ServerNotReadyError, TooManyConnectionsError } from '../errors/sqlstate.ts'
import { findBinaries } from './binaries.ts'
import { checkCluster, createCluster, syncInBackground, takeOwnership } from './cluster.ts'
import { EmbeddedServerError, explainDisk, PortBusyError } from './errors.ts'
import { makeDirectory, openHome, type Home } from './home.ts'
import { withLock } from './lock.ts'
import { findFreePort, isPortFree } from './ports.ts'
import { clearCrash, findPostmaster, startPostmaster, stopPostmaster, waitUntilReady } from './postmaster.ts'

export interface EmbeddedOptions {
  /** Where the server keeps its files, e.g. `.imhotep/postgres-18`; made when missing. One directory is one server. */
  readonly directory: string
  /** Major version, default 18. */
  readonly version?: 15 | 16 | 17 | 18
  /** Without it the port of the last start is used while it is free, else any free one. A running server keeps its port. */
  readonly port?: number
  /** Settings of postgresql.conf for this start; a running server keeps those that it has. */
  readonly settings?: Readonly<Record<string, string>>
  /** bin directory of a server that is installed on this machine, instead of the npm package. */
  readonly binaries?: string
  readonly onProgress?: (text: string) => void
  /** Called when initdb makes a new cluster in a process of its own: what keeps this process busy now delays nothing. */
  readonly onCreating?: (() => void) | undefined
}

export interface EmbeddedServer {
  /** Connection string of the superuser; default database 'postgres'. Holds the password. */
  url(database?: string): string
  readonly port: number
  readonly pid: number
  /** Major version. */
  readonly version: number
  /** It was running already. */
  readonly adopted: boolean
  /** Its data directory was made by this call. */
  readonly created: boolean
  /** Idempotent. 'immediate' is a crash on purpose. */
  stop(mode?: 'fast' | 'immediate'): Promise<void>
}

/**
 * Starts the PostgreSQL of a directory, or adopts it when it runs. The server outlives this process; it listens on
 * 127.0.0.1 with a random password. Safe to be killed at any moment and to be called by several processes at once.
 * @throws EmbeddedServerError, PortBusyError, BinariesMissingError, ClusterVersionError
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedServer> {
  try {
    const directory = await makeDirectory(options.directory)
    return await withLock(join(directory, 'lock'), async () => adoptOrStart(await openHome(directory), options))
  } catch (error) {
    if (error instanceof ImhotepError) throw error
    throw explainDisk(options.directory, String((error as NodeJS.ErrnoException).code), error) ?? error
  }
}

async function adoptOrStart(home: Home, options: EmbeddedOptions): Promise<EmbeddedServer> {
  const { version = 18, settings = {}, onProgress = () => undefined, onCreating = () => undefined } = options
  if (existsSync(home.data)) await checkCluster(home, version)

  const adopted = await adopt(home, version)
  if (adopted !== undefined) return adopted

  const bin = await findBinaries(version, home.user, options.binaries)
  const created = !existsSync(home.data)
  if (created) {
    onProgress(`creating a PostgreSQL ${version} database cluster`)
    await createCluster(home, bin, version, onCreating)
    if (settings['fsync'] !== 'off') syncInBackground(home, bin)
  } else {
    await takeOwnership(home)
    await clearCrash(home, onProgress)
  }

  for (let attempt = 1; ; attempt++) {
    const port = await choosePort(home, options.port)
    await writeFile(home.port, `${port}\n`)
    onProgress(`starting PostgreSQL ${version} on port ${port}`)
    const started = await startPostmaster(home, bin, port, settings, onProgress)
    if ('pid' in started) return describe(home, { pid: started.pid, port, version, adopted: false, created })
    await retryOrThrow(home, started.failure, attempt, options.port)
  }
}

async function adopt(home: Home, version: number): Promise<EmbeddedServer | undefined> {
  const deadline = Date.now() + 30_000
  for (;;) {
    const running = await findPostmaster(home.data)
    if (running === undefined || !(await waitUntilReady(home, running.pid))) return undefined
    const port = (await findPostmaster(home.data))?.port ?? running.port
    try {
      return await describe(home, { pid: running.pid, port, version, adopted: true, created: false })
    } catch (error) {
      // It is just being stopped or killed: wait until it is gone, or tell why it does not answer.
      if (Date.now() > deadline || !isUnavailable(error)) throw error
      await sleep(50)
    }
  }
}

function isUnavailable(error: unknown): boolean {
  return [ConnectionFailedError, ConnectionLostError, ServerNotReadyError].some((type) => error instanceof type)
}

async function choosePort(home: Home, asked: number | undefined): Promise<number> {
  if (asked !== undefined) {
    if (!(await isPortFree(asked))) throw new PortBusyError(asked)
    return asked
  }
  const last = Number(await readFile(home.port, 'utf8').catch(() => ''))
  return last > 0 && (await isPortFree(last)) ? last : await findFreePort()
}

/** What passes by itself is waited for; everything else is told with the server's own last word. */
async function retryOrThrow(home: Home, failure: string, attempt: number, asked: number | undefined): Promise<void> {
  // Somebody was faster on the port that had been free.
  if (/Address already in use|could not create any TCP\/IP sockets/.test(failure)) {
    if (asked !== undefined) throw new PortBusyError(asked)
    if (attempt < 5) return
  }
  // Backends of a killed postmaster that cannot be seen from here.
  if (/pre-existing shared memory block|lock file "postmaster.pid" already exists/.test(failure) && attempt < 50) {
    return sleep(200)
  }

  const disk = explainDisk(home.path, failure)
  if (disk !== undefined) throw disk
  const reason = [...failure.matchAll(/(?:PANIC|FATAL): +(.*)/g)].at(-1)?.[1] ?? failure.trim().split('\n').at(-1)
  throw new EmbeddedServerError(`PostgreSQL did not start: ${reason || 'it said nothing'}`, {
    hint: `read '${home.log}'; when the data is damaged, restore a backup or move '${home.data}' away to start with an empty database`,
  })
}

async function describe(
  home: Home,
  facts: Pick<EmbeddedServer, 'pid' | 'port' | 'version' | 'adopted' | 'created'>,
): Promise<EmbeddedServer> {
  const password = (await readFile(home.password, 'utf8').catch(() => '')).trim()
  // It has no certificate, and never leaves this machine: what the caller wants of other servers is not for it.
  const tls = process.env['PGSSLMODE'] ? '?sslmode=disable' : ''
  const url = (database = 'postgres') =>
    `postgres://postgres:${password}@127.0.0.1:${facts.port}/${encodeURIComponent(database)}${tls}`
  await checkPassword(home, url())
  return { ...facts, url, stop: (mode = 'fast') => stopPostmaster(home.data, facts.pid, mode) }
}

async function checkPassword(home: Home, url: string): Promise<void> {
  const client = createClient(url)
  try {
    await client.send('select 1')
  } catch (error) {
    // Its connections are used up: then it runs.
    if (error instanceof TooManyConnectionsError) return
    if (!(error instanceof AuthenticationFailedError)) throw error
    throw new EmbeddedServerError(
      `the server runs, but the password in '${home.password}' is not the one of its superuser`,
      {
        hint: 'put the right password into that file, or move the whole directory away to start with an empty database',
      },
    )
  } finally {
    await client.close({ force: true })
  }
}
