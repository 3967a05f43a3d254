import { setTimeout as sleep } from 'node:timers/promises'
import {
  DatabaseError,
  describeTarget,
  openReplication,
  type Replication,
  type ReplicationStream,
} from '@imhotep/postgres'
import type { LogTransaction, MovedTable, Position } from '../model.ts'
import type { LogReader } from '../side.ts'
import { slotName } from './change-log.ts'
import { ChangeLogInUseError, ChangeLogLostError } from './errors.ts'
import type { End } from './layout.ts'
import { LogDecoder } from './log-decoder.ts'
import { lsnToNumber, numberToLsn } from './lsn.ts'
import { readInstant } from './pgoutput.ts'
import { sessionSettings } from './session.ts'
import { literal } from './sql-text.ts'

/** How often the server is asked where it is: on a quiet one this is what moves the position. */
const askEveryMs = 200
/** How long the server may take to notice that an earlier reader is gone. */
const takeOverMs = 30_000

const data = 'w'.charCodeAt(0)
const keepalive = 'k'.charCodeAt(0)

export interface LogReaderOptions {
  readonly log: string
  readonly from: Position
  readonly tables: readonly MovedTable[]
  readonly end: End
  readonly signal: AbortSignal
}

/** Reads the log of changes of a slot. See `Side.readLog`. Read it once: it has one iterator. */
export function readChangeLog(url: string, options: LogReaderOptions): LogReader {
  const reader = new ChangeLogReader(url, options)
  return {
    [Symbol.asyncIterator]: () => reader.transactions(),
    confirm: (position) => reader.confirm(position),
    close: () => reader.close(),
  }
}

class ChangeLogReader {
  readonly #url: string
  readonly #options: LogReaderOptions
  readonly #closed = new AbortController()
  #replication: Replication | undefined
  #stream: ReplicationStream | undefined
  #timer: NodeJS.Timeout | undefined
  #received = 0n
  #confirmed = 0n

  constructor(url: string, options: LogReaderOptions) {
    this.#url = url
    this.#options = options
    options.signal.addEventListener('abort', () => void this.close(), { once: true })
  }

  confirm(position: Position): void {
    const number = lsnToNumber(position)
    if (number > this.#confirmed) this.#confirmed = number
  }

  async close(): Promise<void> {
    this.#closed.abort()
    // Not where the transactions are read: who leaves in the midst of them does not come back there.
    clearInterval(this.#timer)
    await this.#replication?.close()
  }

  async *transactions(): AsyncGenerator<LogTransaction, void, undefined> {
    const { signal, tables, end } = this.#options
    if (signal.aborted || this.#closed.signal.aborted) return
    this.#timer = setInterval(() => this.#report(), askEveryMs)
    const decoder = new LogDecoder(tables, end)
    try {
      this.#stream = await this.#start()
      for await (const batch of this.#stream) {
        for (const message of batch) {
          const transaction = this.#read(decoder, message)
          if (transaction) yield transaction
        }
      }
    } catch (error) {
      // Its own end is no error.
      if (!this.#closed.signal.aborted) throw error
    } finally {
      await this.close()
    }
  }

  #read(decoder: LogDecoder, message: Buffer): LogTransaction | undefined {
    if (message[0] === data) {
      // The message's own place; the end of the log that is also told is ahead of what was sent.
      this.#received = max(this.#received, message.readBigInt64BE(1))
      return decoder.take(message.subarray(25))
    }
    if (message[0] !== keepalive) return undefined
    // Sent between transactions only: everything before it has arrived.
    const sent = message.readBigInt64BE(1)
    if (message[17] === 1) this.#report()
    if (sent <= this.#received) return undefined
    this.#received = sent
    return { position: numberToLsn(sent), committedAt: readInstant(message.readBigInt64BE(9)), changes: [] }
  }

  async #start(): Promise<ReplicationStream> {
    const { log, from } = this.#options
    const name = slotName(describeTarget(this.#url).database, log)
    const command =
      `START_REPLICATION SLOT "${name}" LOGICAL ${numberToLsn(lsnToNumber(from))} ` +
      `(proto_version '1', publication_names ${literal(`"${name}"`)}, messages 'true')`
    for (const deadline = Date.now() + takeOverMs; ;) {
      this.#replication = await openReplication(this.#url, sessionSettings)
      try {
        this.#closed.signal.throwIfAborted()
        return await this.#replication.stream(command)
      } catch (error) {
        await this.#replication.close()
        if (this.#closed.signal.aborted || !(error instanceof DatabaseError)) throw error
        // 55000: its changes were removed, or it is not of this database
        if (['42704', '55000'].includes(error.sqlstate)) throw new ChangeLogLostError(log, error.message)
        if (error.sqlstate !== '55006') throw error
        if (Date.now() > deadline) throw new ChangeLogInUseError(log, { cause: error })
        await sleep(100)
      }
    }
  }

  /** Standby status update: the server keeps what is not confirmed, and answers where it is. */
  #report(): void {
    const message = Buffer.alloc(34)
    message[0] = 'r'.charCodeAt(0)
    message.writeBigInt64BE(this.#received, 1)
    message.writeBigInt64BE(this.#confirmed, 9)
    message.writeBigInt64BE(this.#confirmed, 17)
    message.writeBigInt64BE(BigInt(Date.now() - Date.UTC(2000, 0, 1)) * 1000n, 25)
    message[33] = 1
    this.#stream?.send(message)
  }
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b
}
