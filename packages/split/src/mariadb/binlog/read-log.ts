import type { LogTransaction, MovedTable, Position } from '../../model.ts'
import { PackedChanges } from '../../packed-changes.ts'
import type { LogReader } from '../../side.ts'
import { appliedTable } from '../bookkeeping.ts'
import { BinlogLostError, BinlogUnreadableError, SourceTableChangedError } from '../errors.ts'
import { parsePosition } from '../position.ts'
import { errorNumber, openSession } from '../session.ts'
import { ownStatement } from '../sql-text.ts'
import { readCharsets } from './charset.ts'
import { startDump, type Dump } from './dump.ts'
import { eventType, parseEvent, parseQuery, rowsKinds, tellsOfChecksums, type BinlogEvent } from './event.ts'
import { MovedLayouts } from './moved-layouts.ts'
import { loggedTable, readChanges, tableOfRows, type LoggedTable } from './rows-event.ts'
import { readStatement } from './statement.ts'
import { parseTableMap } from './table-map.ts'

/** Between two signs of life while the log is busy with other tables, in milliseconds. */
const signEvery = 200
/** Changes that wait to be read before the server is made to wait. */
const maxWaiting = 20_000

export interface LogOptions {
  readonly from: Position
  readonly tables: readonly MovedTable[]
  readonly signal: AbortSignal
}

/** Follows the binlog. See `Side.readLog`. */
export function readBinlog(url: string, options: LogOptions): LogReader {
  const queue = new Queue()
  let dump: Dump | undefined
  const close = async () => {
    dump?.close()
    queue.end(null)
  }
  const start = async () => {
    const assembler = new Assembler(options.from, await readNames(url, options.tables), (transaction) => {
      queue.push(transaction)
      if (queue.waiting > maxWaiting) dump?.pause()
    })
    dump = await startDump(url, options.from, {
      onEvent: (bytes) => assembler.take(bytes),
      onEnd: (error) => queue.end(error && explain(error, assembler.position)),
    })
    if (options.signal.aborted) await close()
  }
  options.signal.addEventListener('abort', () => void close(), { once: true })
  return {
    confirm: () => undefined,
    close,
    async *[Symbol.asyncIterator]() {
      try {
        if (options.signal.aborted) return
        await start()
        for (;;) {
          const transaction = await queue.next()
          if (transaction === null) return
          if (queue.waiting < maxWaiting / 2) dump?.resume()
          yield transaction
        }
      } finally {
        await close()
      }
    },
  }
}

interface Names {
  readonly layouts: MovedLayouts
  /** By their numbers. */
  readonly charsets: ReadonlyMap<number, string>
}

async function readNames(url: string, tables: readonly MovedTable[]): Promise<Names> {
  const session = await openSession(url)
  try {
    return { layouts: await MovedLayouts.read(session, tables), charsets: await readCharsets(session) }
  } finally {
    await session.close()
  }
}

/** ER_MASTER_FATAL_ERROR_READING_BINLOG: the file is gone, or ends before the position. */
const fatalReadingError = 1236

function explain(error: Error, position: Position): Error {
  if (errorNumber(error) === fatalReadingError) return new BinlogLostError(position, { cause: error })
  if (error instanceof RangeError) return new BinlogUnreadableError(error.message, position, { cause: error })
  return error
}

/** Puts events together to transactions. */
class Assembler {
  #file: string
  #offset: number
  /** What the offsets of a file beyond 4 GB lack, being numbers of 32 bits. */
  #beyond = 0
  readonly #layouts: MovedLayouts
  readonly #charsets: ReadonlyMap<number, string>
  /** Events have checksums, until the description of a file says otherwise. */
  #hasChecksums = true
  readonly #emit: (transaction: LogTransaction) => void
  /** By the number that the log gives a table; null for one that is not moved, true for our own bookkeeping. */
  readonly #tables = new Map<number, LoggedTable | null | true>()
  #changes = new PackedChanges()
  /** The transaction was written by `apply`. */
  #isOwn = false
  #lastSign = 0

  constructor(from: Position, { layouts, charsets }: Names, emit: (transaction: LogTransaction) => void) {
    const { file, offset } = parsePosition(from)
    this.#file = file
    this.#offset = offset
    this.#layouts = layouts
    this.#charsets = charsets
    this.#emit = emit
  }

  get position(): Position {
    return `${this.#file}:${this.#offset}`
  }

  take(bytes: Buffer): void {
    const event = parseEvent(bytes, this.#hasChecksums)
    this.#advance(event)
    const rows = rowsKinds.get(event.type)
    if (rows) return this.#takeRows(event)
    switch (event.type) {
      case eventType.tableMap:
        return this.#takeTableMap(event)
      case eventType.xid:
        return this.#commit(event)
      case eventType.query:
      case eventType.queryCompressed:
        return this.#takeStatement(event)
      case eventType.rotate:
        this.#file = event.body.toString('utf8', 8)
        this.#offset = Number(event.body.readBigUInt64LE(0))
        this.#beyond = 0
        return
      case eventType.heartbeat:
        return this.#sign(event)
      // what was not finished before never will be
      case eventType.formatDescription:
        this.#hasChecksums = tellsOfChecksums(event)
        return this.#forget()
      case eventType.gtid:
        return this.#forget()
      case eventType.xaPrepare:
        if (this.#changes.length > 0)
          throw new RangeError('a transaction in two phases (XA) changed tables on their way')
        return
      case eventType.incident:
        throw new RangeError('the server reports that events are missing')
      case eventType.partialUpdateRows:
      case eventType.transactionPayload:
        throw new RangeError(
          `event type ${event.type} cannot be read (binlog_row_value_options, binlog_transaction_compression)`,
        )
      case eventType.executeLoadQuery:
        throw new RangeError('LOAD DATA is logged as a statement')
    }
  }

  #advance({ end, type }: BinlogEvent): void {
    if (end === 0 || type === eventType.rotate) return
    if (end + this.#beyond < this.#offset && type !== eventType.heartbeat) this.#beyond += 2 ** 32
    this.#offset = Math.max(this.#offset, end + this.#beyond)
  }

  #takeTableMap(event: BinlogEvent): void {
    const { id, map } = parseTableMap(event.body)
    if (map.name === appliedTable) {
      this.#isOwn = true
      this.#tables.set(id, true)
      return
    }
    const layout = this.#layouts.get(map)
    this.#tables.set(id, layout ? loggedTable(map, layout) : null)
  }

  #takeRows(event: BinlogEvent): void {
    const table = this.#tables.get(tableOfRows(event))
    if (table === undefined) throw new RangeError('the log holds rows of a table that it did not name')
    if (table === null || table === true || this.#isOwn) return
    for (const change of readChanges(event, table)) this.#changes.push(change)
  }

  #takeStatement(event: BinlogEvent): void {
    const query = parseQuery(event, this.#charsets)
    const statement = readStatement(query)
    switch (statement.kind) {
      case 'begin':
        this.#forget()
        return
      case 'commit':
        return this.#commit(event)
      case 'rollback':
        this.#forget()
        return this.#commit(event)
      case 'rollback to':
        // The server leaves out of its log what was rolled back, but where a table without transactions was written in between.
        if (this.#changes.length > 0)
          throw new RangeError('a transaction that is rolled back in part stands in the log')
        return
      case 'truncate':
        for (const { moved } of this.#layouts.among(statement.tables)) {
          this.#changes.push({ table: moved, kind: 'truncate' })
        }
        return this.#commit(event)
      case 'structure':
        for (const { table } of this.#layouts.among(statement.tables)) {
          throw new SourceTableChangedError(table, 'its structure was changed')
        }
        return this.#commit(event)
      case 'database': {
        const layout = this.#layouts.within([statement.name])
        if (layout) throw new SourceTableChangedError(layout.table, 'its database was changed or dropped')
        return
      }
      case 'rows':
        if (this.#layouts.within(statement.databases)) throw new RangeError('a change of rows is logged as a statement')
        return
      case 'unknown':
        for (const { table } of this.#layouts.among(statement.tables)) {
          throw new SourceTableChangedError(table, `it was in a statement that is not known here (${statement.verb})`)
        }
        return
      case 'harmless':
        // a fence ends with one of ours: whoever waits for its position need not wait for the next sign of life
        if (query.sql.startsWith(ownStatement)) this.#sign(event)
    }
  }

  #commit(event: BinlogEvent): void {
    if (this.#changes.length === 0 || this.#isOwn) {
      this.#forget()
      if (Date.now() - this.#lastSign >= signEvery) this.#sign(event)
      return
    }
    const changes = this.#changes
    this.#forget()
    this.#lastSign = Date.now()
    this.#emit({ position: this.position, committedAt: event.at, changes })
  }

  /** Where the log is, when it holds nothing for us. */
  #sign({ at }: BinlogEvent): void {
    this.#lastSign = Date.now()
    this.#emit({ position: this.position, committedAt: at, changes: [] })
  }

  #forget(): void {
    this.#changes = new PackedChanges()
    this.#isOwn = false
  }
}

/** Between the connection, which pushes, and the reader, which pulls. */
class Queue {
  #items: LogTransaction[] = []
  #end: { readonly error: Error | null } | undefined
  #wake: (() => void) | undefined
  /** Changes that nobody has read yet. */
  waiting = 0

  push(transaction: LogTransaction): void {
    // a newer sign of life stands for an older one
    if (this.#items.at(-1)?.changes.length === 0 && transaction.changes.length === 0) this.#items.pop()
    this.#items.push(transaction)
    this.waiting += transaction.changes.length
    this.#wake?.()
  }

  end(error: Error | null): void {
    this.#end ??= { error }
    this.#wake?.()
  }

  async next(): Promise<LogTransaction | null> {
    for (;;) {
      const item = this.#items.shift()
      if (item) {
        this.waiting -= item.changes.length
        return item
      }
      if (this.#end?.error) throw this.#end.error
      if (this.#end) return null
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }
}
