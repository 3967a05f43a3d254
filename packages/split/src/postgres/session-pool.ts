import type { Connection } from '@imhotep/postgres'
import { openSession } from './session.ts'

const maxIdle = 4

/** Sessions with our settings, kept for the next use; one in which something failed is closed. */
export class SessionPool {
  readonly #url: string
  readonly #idle: Connection[] = []
  #closed = false

  constructor(url: string) {
    this.#url = url
  }

  async use<T>(work: (session: Connection) => Promise<T>): Promise<T> {
    const session = this.#takeIdle() ?? (await openSession(this.#url))
    try {
      const result = await work(session)
      if (this.#closed || this.#idle.length >= maxIdle) await session.release()
      else this.#idle.push(session)
      return result
    } catch (error) {
      await session.release()
      throw error
    }
  }

  #takeIdle(): Connection | undefined {
    for (;;) {
      const session = this.#idle.pop()
      if (!session?.lost) return session
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all(this.#idle.splice(0).map((session) => session.release()))
  }
}
