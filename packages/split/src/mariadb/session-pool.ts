import { openSession, type Session } from './session.ts'

/** Sessions that are kept for the next one who needs one. One that met an error is not: its state is unknown. */
export class SessionPool {
  readonly #open: () => Promise<Session>
  readonly #idle: Session[] = []
  #isClosed = false

  constructor(url: string, settings: readonly string[] = []) {
    this.#open = () => openSession(url, settings)
  }

  async use<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const session = this.#idle.pop() ?? (await this.#open())
    try {
      const result = await work(session)
      if (this.#isClosed) await session.close()
      else this.#idle.push(session)
      return result
    } catch (error) {
      await session.close()
      throw error
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all(this.#idle.splice(0).map((session) => session.close()))
  }
}
