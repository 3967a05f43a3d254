import { setTimeout as sleep } from 'node:timers/promises'
import { DatabaseError } from '@imhotep/postgres'
import type { LogTransaction, MovedTable, Position } from '../model.ts'
import type { LogReader, Side } from '../side.ts'

export interface FollowerOptions {
  readonly log: string
  readonly from: Side
  readonly to: Side
  readonly tables: readonly MovedTable[]
  readonly start: Position
}

/** Applies the log of one side to the other up to any position, and takes up again after a lost connection. */
export class Follower implements AsyncDisposable {
  readonly #options: FollowerOptions
  #reader: LogReader | undefined
  #iterator: AsyncIterator<LogTransaction> | undefined
  #pending: LogTransaction | undefined
  /** How often it had to take up again. */
  restarts = 0

  constructor(options: FollowerOptions) {
    this.#options = options
  }

  async upTo(position: Position): Promise<void> {
    for (;;) {
      try {
        return await this.#upTo(position)
      } catch (error) {
        const isLost = error instanceof DatabaseError && /^(08|57P|55006)/.test(error.sqlstate)
        if (!isLost && (error as { code?: string }).code !== 'IMH_CONNECTION_FAILED') throw error
        this.restarts++
        await this[Symbol.asyncDispose]()
        await sleep(20)
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader?.close()
    this.#reader = undefined
    this.#pending = undefined
  }

  async #upTo(position: Position): Promise<void> {
    const { from, to, log, tables, start } = this.#options
    if (!this.#reader) {
      const applied = (await to.applied(log)) ?? start
      this.#reader = from.readLog(log, applied, tables, new AbortController().signal)
      this.#iterator = this.#reader[Symbol.asyncIterator]()
    }
    let batch: LogTransaction[] = []
    const flush = async () => {
      if (batch.length > 0) await to.apply(log, batch)
      const last = batch.at(-1)
      if (last) this.#reader?.confirm(last.position)
      batch = []
    }
    for (;;) {
      const next = this.#pending ?? (await this.#iterator?.next())?.value
      this.#pending = undefined
      if (!next) throw new DatabaseError('the log ended', { sqlstate: '08006' })
      if (from.comparePositions(next.position, position) > 0) {
        this.#pending = next
        return flush()
      }
      batch.push(next)
      if (batch.length >= 50) await flush()
    }
  }
}
