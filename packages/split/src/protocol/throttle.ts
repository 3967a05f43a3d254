import { setTimeout as pause } from 'node:timers/promises'

/** Chunks that say what is usual. */
const sample = 20
const longestRestMs = 2_000

/**
 * Runs reads of a busy server; one that takes more than `factor` times the median of the last ones is followed by a rest
 * as long as itself, so that clients get the server back. Factor 0: never.
 */
export function createThrottle(factor: number): <T>(read: () => Promise<T>) => Promise<T> {
  const recent: number[] = []
  return async (read) => {
    const started = performance.now()
    const result = await read()
    const ms = performance.now() - started
    const usual = recent.toSorted((a, b) => a - b)[Math.floor(recent.length / 2)]
    recent.push(ms)
    if (recent.length > sample) recent.shift()
    if (factor > 0 && usual !== undefined && recent.length > 3 && ms > usual * factor) {
      await pause(Math.min(ms, longestRestMs))
    }
    return result
  }
}
