import { spawn } from 'node:child_process'
import { open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { handOver } from './cluster.ts'
import { configurationFile, writeConfiguration } from './configuration.ts'
import { EmbeddedServerError } from './errors.ts'
import type { Home } from './home.ts'
import { isAlive, backendsIn, worksIn } from './process.ts'
import { serverEnvironment } from './run.ts'

const pollMs = 15
const maxLogBytes = 10 * 1024 * 1024

/** What postmaster.pid says. `state` is 'ready' as soon as the server takes connections. */
export interface Postmaster {
  readonly pid: number
  readonly port: number
  readonly state: string
}

/** The running server of this data directory; undefined when there is none, whatever postmaster.pid says. */
export async function findPostmaster(data: string): Promise<Postmaster | undefined> {
  const written = await readPidFile(data)
  if (written === undefined || !(await isAlive(written.pid)) || !(await worksIn(written.pid, data))) return undefined
  return written
}

/**
 * Makes the way free after a crash: waits for backends that outlived their postmaster (they notice its death by
 * themselves, unless they are busy; then they are ended) and removes a postmaster.pid that names a stranger's process or a zombie.
 */
export async function clearCrash({ data }: Home, onProgress: (text: string) => void): Promise<void> {
  const written = await readPidFile(data)
  if (written === undefined) return

  const started = Date.now()
  let told = false
  for (let orphans = await backendsIn(data); orphans.length > 0; orphans = await backendsIn(data)) {
    if (!told) onProgress(`waiting for ${orphans.length} processes of the server that was killed`)
    told = true
    if (Date.now() > started + 60_000) break // PostgreSQL itself says what is in its way
    if (Date.now() > started + 10_000) for (const pid of orphans) signal(pid, 'SIGQUIT')
    await sleep(100)
  }
  // PostgreSQL itself handles a process id that is free; one that is in use again makes it refuse.
  if (signal(written.pid, 0)) await rm(join(data, 'postmaster.pid'), { force: true })
}

/** How a start ended: with a server, or without one and why. */
export type Started = { readonly pid: number } | { readonly failure: string }

/** Starts the server detached from this process and waits until it takes connections. */
export async function startPostmaster(
  home: Home,
  bin: string,
  port: number,
  settings: Readonly<Record<string, string>>,
  onProgress: (text: string) => void,
): Promise<Started> {
  const configuration = join(home.data, configurationFile)
  await writeFile(configuration, writeConfiguration(port, settings), { mode: 0o600 })
  await handOver(home, configuration)
  await rotateLog(home.log)
  const log = await open(home.log, 'a', 0o600)
  const { size: logStart } = await log.stat()

  const exit: { reason?: string } = {}
  const child = spawn(join(bin, 'postgres'), ['-D', home.data], {
    cwd: home.data,
    env: serverEnvironment(),
    // A session of its own: neither Ctrl-C nor the end of this process reaches it.
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
    windowsHide: true,
    ...(home.user && { uid: home.user.uid, gid: home.user.gid }),
  })
  child.on('error', (error) => (exit.reason = error.message))
  child.on('exit', () => (exit.reason ??= ''))
  child.unref()
  await log.close()

  const slow = setTimeout(() => onProgress('waiting for the server, it may be recovering from a crash'), 3_000)
  try {
    while (exit.reason === undefined) {
      const written = await readPidFile(home.data)
      if (written?.pid === child.pid && written?.state === 'ready') return { pid: written.pid }
      await sleep(pollMs)
    }
  } finally {
    clearTimeout(slow)
  }
  return { failure: exit.reason || (await readLogFrom(home.log, logStart)) }
}

/** Waits until a running server takes connections; false when it ended instead. */
export async function waitUntilReady(home: Home, pid: number): Promise<boolean> {
  for (;;) {
    const running = await findPostmaster(home.data)
    if (running?.pid !== pid) return false
    if (running.state === 'ready') return true
    await sleep(pollMs)
  }
}

/**
 * Ends the server and waits until it is gone: 'fast' takes open transactions back, 'immediate' skips the checkpoint.
 * @throws EmbeddedServerError when it is still there after two minutes
 */
export async function stopPostmaster(data: string, pid: number, mode: 'fast' | 'immediate'): Promise<void> {
  const deadline = Date.now() + 120_000
  signal(pid, mode === 'fast' ? 'SIGINT' : 'SIGQUIT')
  while ((await isAlive(pid)) && (await worksIn(pid, data))) {
    if (Date.now() > deadline) {
      throw new EmbeddedServerError(`the server (process ${pid}) does not stop`, {
        hint: `end it with: kill -QUIT ${pid}`,
      })
    }
    await sleep(pollMs)
  }
}

/** Lines: process id, data directory, start time, port, socket directory, address, shared memory, state. */
async function readPidFile(data: string): Promise<Postmaster | undefined> {
  const text = await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')
  const lines = text.split('\n').map((line) => line.trim())
  const pid = Number(lines[0])
  return pid > 0 ? { pid, port: Number(lines[3]), state: lines[7] ?? '' } : undefined
}

async function readLogFrom(path: string, start: number): Promise<string> {
  const text = await readFile(path).catch(() => Buffer.alloc(0))
  return text.subarray(start).toString()
}

async function rotateLog(path: string): Promise<void> {
  const { size } = await stat(path).catch(() => ({ size: 0 }))
  if (size > maxLogBytes) await rename(path, `${path}.1`)
}

/** Whether the process is there to be told. */
function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
