import { connect, describeTarget, type Database } from '@imhotep/postgres'
import type { Context } from '../context.ts'
import { CancelledError } from '../errors.ts'
import { readEnvironment } from './environment.ts'
import { resolveUrl } from './resolve-url.ts'
import type { Target } from './target.ts'

export interface OpenTarget {
  readonly url: string
  readonly db: Database
  readonly target: Target
}

/**
 * Connects to the database of a command, says which one it is, works, and disconnects. Work that only reads may be
 * `interruptible`: Ctrl-C leaves it where it is.
 */
export async function withTarget<T>(
  context: Context,
  work: (open: OpenTarget) => Promise<T>,
  { interruptible = false }: { readonly interruptible?: boolean } = {},
): Promise<T> {
  const url = await resolveUrl(context)
  const db = connect(url, { applicationName: 'imhotep', max: 4 })
  try {
    const target = toTarget(url, await readEnvironment(db))
    context.announce(target)
    const working = work({ url, db, target })
    return await (interruptible ? unlessAborted(context.signal, working) : working)
  } finally {
    // What was left waits for the server; its connections end with the process.
    if (!(interruptible && context.signal.aborted)) await db.close()
  }
}

async function unlessAborted<T>(signal: AbortSignal, working: Promise<T>): Promise<T> {
  const stop = new AbortController()
  const aborted = new Promise<never>((_, reject) => {
    const cancel = () => reject(new CancelledError())
    if (signal.aborted) cancel()
    else signal.addEventListener('abort', cancel, { signal: stop.signal })
  })
  try {
    return await Promise.race([working, aborted])
  } finally {
    stop.abort()
  }
}

export function toTarget(url: string, environment: string | null): Target {
  const { host, port, database } = describeTarget(url)
  return { host: `${host}:${port}`, database, environment }
}
