import { setTimeout as pause } from 'node:timers/promises'
import type { LogTransaction, MovedTable, Position } from '../model.ts'
import type { LogReader, Side } from '../side.ts'

/** Changes that go into one transaction of the receiving side at most; a larger transaction of the log stays whole. */
const batchChanges = 2_000
/** How long a batch waits for more transactions of the log. */
const batchWaitMs = 2

/** What a side does with the log of the other one. */
export type Receiver = Pick<Side, 'applied' | 'apply'>

export interface ApplierOptions {
  readonly log: string
  readonly from: Side
  readonly to: Receiver
  readonly tables: readonly MovedTable[]
  /** Where the log is read from when nothing of it is applied yet. */
  readonly start: Position
}

/** Applies the log of one side to the other until it is stopped; it can be held, and led to an exact position. */
export class Applier {
  readonly #options: ApplierOptions
  readonly #stop = new AbortController()
  readonly #reader: LogReader
  readonly #loop: Promise<void>
  readonly #failed: Promise<never>
  #applied: Position
  #batch: LogTransaction[] = []
  #changes = 0
  #lastSeen: { readonly committedAt: Date; readonly seenAt: number } | undefined
  /** Nothing behind it is applied; null: nothing more at all. */
  #limit: Position | null | undefined
  /** Of the transaction that waits behind the limit; all before it is applied. */
  #barred: Position | undefined
  /** Asked after each step whether what they wait for is true by now; with a position: that it is applied. */
  #waiting: {
    readonly isTrue: () => boolean
    readonly resolve: () => void
    readonly position: Position | undefined
  }[] = []

  private constructor(options: ApplierOptions, applied: Position) {
    this.#options = options
    this.#applied = applied
    this.#reader = options.from.readLog(options.log, applied, options.tables, this.#stop.signal)
    this.#loop = this.#run()
    this.#failed = this.#loop.then(() => new Promise<never>(() => {}))
    this.#failed.catch(() => undefined)
  }

  /** Goes on behind what the receiving side remembers of this log, else at `start`. */
  static async start(options: ApplierOptions): Promise<Applier> {
    const remembered = await options.to.applied(options.log)
    return new Applier(options, remembered ?? options.start)
  }

  get applied(): Position {
    return this.#applied
  }

  /** Changes applied by this applier. */
  get changes(): number {
    return this.#changes
  }

  /** Milliseconds from commit to arrival of the last transaction, by two clocks; undefined before the first. */
  get lagMs(): number | undefined {
    return this.#lastSeen && Math.max(0, this.#lastSeen.seenAt - this.#lastSeen.committedAt.getTime())
  }

  /** Rejects, with the reason, when the applier ends by itself; never resolves. */
  get failed(): Promise<never> {
    return this.#failed
  }

  /** Resolves when everything up to `position` is applied. */
  waitFor(position: Position): Promise<void> {
    return this.#until(() => this.#compare(this.#applied, position) >= 0, position)
  }

  /** Halts between two transactions. A snapshot taken afterwards cannot lie behind what is applied. */
  hold(): Promise<void> {
    this.#limit = null
    return this.#until(() => this.#batch.length === 0)
  }

  /** Of an applier on hold: applies everything up to `position` and nothing behind it, and is on hold again. */
  advanceTo(position: Position): Promise<void> {
    this.#limit = position
    this.#wake()
    return this.#until(() => {
      const isBehind = this.#barred !== undefined && this.#compare(this.#barred, position) > 0
      return isBehind || this.#compare(this.#applied, position) >= 0
    }, position)
  }

  release(): void {
    this.#limit = undefined
    this.#wake()
  }

  /** Ends the applier where it is; what is applied is remembered by the receiving side. */
  async stop(): Promise<void> {
    this.#stop.abort()
    this.#wake()
    await this.#reader.close()
    await this.#loop.catch(() => undefined)
  }

  async #run(): Promise<void> {
    try {
      await this.#applyAll()
    } catch (error) {
      if (!this.#stop.signal.aborted) throw error
    }
  }

  async #applyAll(): Promise<void> {
    const log = this.#reader[Symbol.asyncIterator]()
    let next = log.next()
    for (;;) {
      next.catch(() => undefined)
      const result = this.#batch.length === 0 ? await next : await Promise.race([next, pause(batchWaitMs)])
      if (result === undefined) {
        await this.#flush()
        continue
      }
      if (result.done) return
      await this.#untilAllowed(result.value)
      if (this.#stop.signal.aborted) return
      this.#batch.push(result.value)
      this.#lastSeen = { committedAt: result.value.committedAt, seenAt: Date.now() }
      const isFull = this.#batch.reduce((sum, { changes }) => sum + changes.length, 0) >= batchChanges
      if (isFull || this.#isAwaited(result.value)) await this.#flush()
      next = log.next()
    }
  }

  async #flush(): Promise<void> {
    const last = this.#batch.at(-1)
    if (!last) return
    const transactions = this.#batch.filter(({ changes }) => changes.length > 0)
    if (transactions.length > 0) await this.#options.to.apply(this.#options.log, transactions, this.#stop.signal)
    for (const { changes } of transactions) this.#changes += changes.length
    this.#batch = []
    this.#applied = last.position
    this.#reader.confirm(last.position)
    this.#wake()
  }

  async #untilAllowed({ position }: LogTransaction): Promise<void> {
    if (this.#isAllowed(position)) return
    await this.#flush()
    this.#barred = position
    this.#wake()
    await this.#until(() => this.#stop.signal.aborted || this.#isAllowed(position))
    this.#barred = undefined
  }

  /** Only with this one: who waits for a place far ahead is served best by large batches. */
  #isAwaited({ position }: LogTransaction): boolean {
    return this.#waiting.some((one) => one.position !== undefined && this.#compare(position, one.position) >= 0)
  }

  #isAllowed(position: Position): boolean {
    if (this.#limit === undefined) return true
    return this.#limit !== null && this.#compare(position, this.#limit) <= 0
  }

  #compare(a: Position, b: Position): number {
    return this.#options.from.comparePositions(a, b)
  }

  #until(isTrue: () => boolean, position?: Position): Promise<void> {
    if (isTrue()) return Promise.resolve()
    const reached = new Promise<void>((resolve) => this.#waiting.push({ isTrue, resolve, position }))
    return Promise.race([reached, this.#failed])
  }

  #wake(): void {
    this.#waiting = this.#waiting.filter(({ isTrue, resolve }) => {
      if (!isTrue()) return true
      resolve()
      return false
    })
  }
}
