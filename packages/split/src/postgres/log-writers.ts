import { setTimeout as sleep } from 'node:timers/promises'
import { isRetryable, type Connection } from '@imhotep/postgres'
import type { LogTransaction } from '../model.ts'
import { LogWriter } from './apply.ts'
import { prepareBookkeeping } from './bookkeeping.ts'
import type { Cascades } from './cascade.ts'
import type { End } from './layout.ts'
import { standUnderOrigin } from './origin.ts'
import { openSession } from './session.ts'

interface Open {
  readonly session: Connection
  readonly writer: LogWriter
}

/** One session for each log that is applied: an origin belongs to one session. A failure ends it, the next call begins anew. */
export class LogWriters {
  readonly #url: string
  readonly #options: { readonly end: End; readonly cascades?: Cascades | undefined }
  readonly #open = new Map<string, Promise<Open>>()

  constructor(url: string, options: { readonly end: End; readonly cascades?: Cascades | undefined }) {
    this.#url = url
    this.#options = options
  }

  async apply(log: string, transactions: readonly LogTransaction[], signal?: AbortSignal): Promise<void> {
    let opening = this.#open.get(log)
    if (!opening) this.#open.set(log, (opening = this.#openWriter(log)))
    try {
      const { writer } = await opening
      await patiently(() => writer.apply(log, transactions), signal)
    } catch (error) {
      await this.end(log)
      throw error
    }
  }

  /** Frees the origin of a log. */
  async end(log: string): Promise<void> {
    const opening = this.#open.get(log)
    this.#open.delete(log)
    const open = await opening?.catch(() => undefined)
    await open?.session.release()
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open.keys()].map((log) => this.end(log)))
  }

  async #openWriter(log: string): Promise<Open> {
    const session = await openSession(this.#url, { lock_timeout: '5s' })
    try {
      await prepareBookkeeping(session)
      await standUnderOrigin(session, this.#url, log)
      return { session, writer: new LogWriter(session, this.#options) }
    } catch (error) {
      await session.release()
      throw error
    }
  }
}

const attempts = 20
const lockNotAvailable = '55P03'

/**
 * Whoever changes rights or triggers of the tables meanwhile may deadlock with us; what we applied is taken back whole. For
 * somebody who holds a table we wait without end, but look up now and then.
 */
async function patiently(work: () => Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  for (let attempt = 1; ;) {
    try {
      return await work()
    } catch (error) {
      if (!isRetryable(error) || attempt === attempts || signal?.aborted) throw error
      if (error.sqlstate !== lockNotAvailable) attempt += 1
      await sleep(10 * attempt)
    }
  }
}
