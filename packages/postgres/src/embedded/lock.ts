import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { EmbeddedServerError } from './errors.ts'
import { isAlive, startedAt } from './process.ts'

const pollMs = 50

/**
 * Runs `work` while no other process does so with the same file. A lock whose process died is taken over.
 * @throws EmbeddedServerError when another process keeps the lock for longer than `timeoutMs`
 */
export async function withLock<T>(path: string, work: () => Promise<T>, timeoutMs = 120_000): Promise<T> {
  const me = await ownerText()
  const deadline = Date.now() + timeoutMs
  while (!(await tryCreate(path, me))) {
    const holder = await readHolder(path)
    if (holder !== undefined && !(await isOwnerAlive(holder))) await removeStale(path)
    else if (Date.now() > deadline) throw held(path, holder)
    else await sleep(pollMs)
  }
  try {
    return await work()
  } finally {
    await rm(path, { force: true })
  }
}

/** What tells this process from all others, also from those that get its id later. */
export async function ownerText(): Promise<string> {
  return `${process.pid} ${await startedAt(process.pid)}\n`
}

async function tryCreate(path: string, content: string): Promise<boolean> {
  try {
    await writeFile(path, content, { flag: 'wx', mode: 0o644 })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** undefined: the lock is free again. An empty file is a lock that is being written, or whose writer died at once. */
async function readHolder(path: string): Promise<string | undefined> {
  const content = await readFile(path, 'utf8').catch(() => undefined)
  if (content !== '') return content
  const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() }))
  return Date.now() - mtimeMs > 2_000 ? 'nobody' : undefined
}

/** Whether the process that wrote `ownerText` into a file runs. */
export async function isOwnerAlive(holder: string): Promise<boolean> {
  const [pid = '', start = ''] = holder.trim().split(' ')
  if (!(await isAlive(Number(pid)))) return false
  // A process id is used again after a restart of the machine or container: the start time tells the two apart.
  return (await startedAt(Number(pid))) === start
}

/** Two may find the same stale lock: a second lock, held for a moment, keeps the slower from removing the winner's lock. */
async function removeStale(path: string): Promise<void> {
  const guard = `${path}.takeover`
  if (!(await tryCreate(guard, ''))) {
    const { mtimeMs } = await stat(guard).catch(() => ({ mtimeMs: Date.now() }))
    if (Date.now() - mtimeMs > 5_000) await rm(guard, { force: true })
    return sleep(pollMs)
  }
  try {
    const holder = await readHolder(path)
    if (holder !== undefined && !(await isOwnerAlive(holder))) await rm(path, { force: true })
  } finally {
    await rm(guard, { force: true })
  }
}

function held(path: string, holder: string | undefined): EmbeddedServerError {
  const pid = holder?.split(' ')[0] ?? 'unknown'
  return new EmbeddedServerError(`another process (${pid}) is starting or stopping this server and does not finish`, {
    hint: `end process ${pid}, or delete '${path}' when it has nothing to do with Imhotep`,
  })
}
