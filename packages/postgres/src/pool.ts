import { UsageError } from '@imhotep/base'
import type { Client } from './client.ts'

/** A backend keeps what it has cached: connections older than this are replaced when they come back. */
const maxAgeMs = 45 * 60_000

/** Hands out at most `max` clients at a time, first come first served, and drops those whose connection is lost. */
export class Pool {
  readonly #open: () => Client
  readonly #max: number
  readonly #idle: Client[] = []
  readonly #busy = new Set<Client>()
  readonly #waiting: ((client: Client) => void)[] = []
  #closing: (() => void) | undefined
  #drained: Promise<void> | undefined
  #closed = false

  constructor(open: () => Client, max: number) {
    this.#open = open
    this.#max = max
  }

  /** @throws UsageError when the pool is closed */
  async acquire(): Promise<Client> {
    if (this.#closed) throw new UsageError('the connection pool is closed', { hint: 'call connect again' })
    const client = this.#takeIdle() ?? (this.#busy.size < this.#max ? this.#open() : undefined)
    if (client === undefined) return new Promise((resolve) => this.#waiting.push(resolve))
    this.#busy.add(client)
    return client
  }

  /** Gives a client back; `discard` when its state is not known. */
  release(client: Client, options: { discard?: boolean } = {}): void {
    this.#busy.delete(client)
    const reusable = !options.discard && !client.lost && Date.now() - client.openedAt < maxAgeMs
    if (!reusable) void client.close({ force: true }).catch(() => undefined)

    const next = this.#waiting.shift()
    if (next !== undefined) {
      const successor = reusable ? client : this.#open()
      this.#busy.add(successor)
      next(successor)
      return
    }
    if (reusable) this.#idle.push(client)
    if (this.#busy.size === 0) this.#closing?.()
  }

  /** Runs `work` with a client and gives it back. */
  async use<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const client = await this.acquire()
    try {
      return await work(client)
    } finally {
      this.release(client)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    if (this.#busy.size > 0) await (this.#drained ??= new Promise((resolve) => (this.#closing = resolve)))
    await Promise.all(this.#idle.splice(0).map((client) => client.close()))
  }

  #takeIdle(): Client | undefined {
    // The one used last has the warmest caches.
    for (let client = this.#idle.pop(); client !== undefined; client = this.#idle.pop()) {
      if (!client.lost) return client
      void client.close({ force: true }).catch(() => undefined)
    }
    return undefined
  }
}
