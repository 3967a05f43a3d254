import type { Connection } from '@imhotep/postgres'

const maxSessions = 4

/** Sessions that share one snapshot: the first one keeps it alive, others join when several callers read at once. */
export class SnapshotSessions {
  readonly #join: () => Promise<Connection>
  readonly #all: Promise<Connection>[]
  readonly #idle: Connection[]
  readonly #waiting: ((session: Connection) => void)[] = []

  constructor(first: Connection, join: () => Promise<Connection>) {
    this.#join = join
    this.#all = [Promise.resolve(first)]
    this.#idle = [first]
  }

  async use<T>(work: (session: Connection) => Promise<T>): Promise<T> {
    const session = await this.#take()
    try {
      return await work(session)
    } finally {
      const next = this.#waiting.shift()
      if (next) next(session)
      else this.#idle.push(session)
    }
  }

  async close(): Promise<void> {
    const sessions = await Promise.allSettled(this.#all)
    for (const result of sessions) if (result.status === 'fulfilled') await result.value.release()
  }

  #take(): Promise<Connection> {
    const idle = this.#idle.pop()
    if (idle) return Promise.resolve(idle)
    if (this.#all.length >= maxSessions) return new Promise((resolve) => this.#waiting.push(resolve))
    const joined = this.#join()
    this.#all.push(joined)
    joined.catch(() => this.#all.splice(this.#all.indexOf(joined), 1))
    return joined
  }
}
