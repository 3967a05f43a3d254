/** Milliseconds since 1970, finer than `Date.now()`; the same in every thread. */
export function clock(): number {
  return performance.timeOrigin + performance.now()
}

/** Times between successive commits of a service. */
export class Gaps {
  readonly #last = new Map<string, number>()
  /** Those that anybody could notice. */
  readonly #noticeable = new Map<string, { from: number; to: number }[]>()

  start(services: readonly string[]): void {
    for (const service of services) this.#last.set(service, clock())
  }

  commit(service: string): void {
    const now = clock()
    const from = this.#last.get(service) ?? now
    this.#last.set(service, now)
    if (now - from >= 10) this.#noticeable.set(service, [...(this.#noticeable.get(service) ?? []), { from, to: now }])
  }

  /** The longest one in milliseconds that ended after `since` (milliseconds since 1970); an open one counts up to now. */
  longest(service: string, since = 0): number {
    const now = clock()
    const open = { from: this.#last.get(service) ?? now, to: now }
    const ended = (this.#noticeable.get(service) ?? []).filter(({ to }) => to >= since)
    return Math.max(...[...ended, open].map(({ from, to }) => to - from))
  }
}
