import { existsSync } from 'node:fs'
import { readFile, realpath, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { findHomePath } from './home.ts'
import { withLock } from './lock.ts'
import { findPostmaster, stopPostmaster } from './postmaster.ts'

export interface EmbeddedStatus {
  readonly running: boolean
  /** Of the running server; undefined when it does not run. */
  readonly pid: number | undefined
  readonly port: number | undefined
  /** Major version that made the data. */
  readonly version: number
}

/** What is in a directory that `startEmbedded` was given; null when no server was ever made there. */
export async function embeddedStatus(directory: string): Promise<EmbeddedStatus | null> {
  if (!existsSync(resolve(directory))) return null
  const data = join(await findHomePath(await realpath(directory)), 'data')
  const version = Number((await readFile(join(data, 'PG_VERSION'), 'utf8').catch(() => '')).trim())
  if (!(version > 0)) return null
  const running = await findPostmaster(data)
  return { running: running !== undefined, pid: running?.pid, port: running?.port, version }
}

/**
 * Stops the server of a directory in the way that keeps all committed data.
 * @throws EmbeddedServerError when it does not stop
 */
export async function stopEmbedded(directory: string): Promise<'stopped' | 'not running'> {
  if (!existsSync(resolve(directory))) return 'not running'
  const real = await realpath(directory)
  if ((await embeddedStatus(real))?.running !== true) return 'not running'
  return withLock(join(real, 'lock'), async () => {
    const data = join(await findHomePath(real), 'data')
    const running = await findPostmaster(data)
    if (running === undefined) return 'not running'
    await stopPostmaster(data, running.pid, 'fast')
    return 'stopped'
  })
}

/**
 * Stops the server of a directory and removes the directory with all data, also those that root's server has elsewhere.
 * @throws EmbeddedServerError when it does not stop, or when the data are those of another directory
 */
export async function removeEmbedded(
  directory: string,
  mode: 'fast' | 'immediate' = 'fast',
): Promise<'stopped' | 'not running'> {
  if (!existsSync(resolve(directory))) return 'not running'
  const real = await realpath(directory)
  return withLock(join(real, 'lock'), async () => {
    const home = await findHomePath(real)
    const running = await findPostmaster(join(home, 'data'))
    if (running !== undefined) await stopPostmaster(join(home, 'data'), running.pid, mode)
    for (const path of new Set([home, real])) await rm(path, { recursive: true, force: true, maxRetries: 5 })
    return running === undefined ? 'not running' : 'stopped'
  })
}
