import { connect, describeTarget, type Database } from '@imhotep/postgres'
import type { Context } from '../context.ts'
import { readEnvironment } from './environment.ts'
import { resolveUrl } from './resolve-url.ts'
import type { Target } from './target.ts'

export interface OpenTarget {
  readonly url: string
  readonly db: Database
  readonly target: Target
}

/** Connects to the database of a command, says which one it is, works, and disconnects. */
export async function withTarget<T>(context: Context, work: (open: OpenTarget) => Promise<T>): Promise<T> {
  const url = await resolveUrl(context)
  const db = connect(url, { applicationName: 'imhotep', max: 4 })
  try {
    const target = toTarget(url, await readEnvironment(db))
    context.announce(target)
    return await work({ url, db, target })
  } finally {
    await db.close()
  }
}

export function toTarget(url: string, environment: string | null): Target {
  const { host, port, database } = describeTarget(url)
  return { host: `${host}:${port}`, database, environment }
}
