import type { Connection, QueryError } from 'mysql2'
import { MariadbConnectError } from './errors.ts'

/** Texts are read and written as they are, times are UTC, and nothing is cut. */
const settings = [
  `sql_mode = ''`,
  `time_zone = '+00:00'`,
  `group_concat_max_len = 4294967295`,
  `net_write_timeout = 3600`,
  `net_read_timeout = 3600`,
  `wait_timeout = 86400`,
]

export interface Session {
  readonly connection: Connection
  /** Texts as the server prints them. */
  rows(sql: string): Promise<(string | null)[][]>
  /** The first value of the first row. */
  value(sql: string): Promise<string | null>
  /** Number of rows that were found or changed. */
  run(sql: string): Promise<number>
  /** Values of each row as bytes, handed over while they come. */
  stream(sql: string, onRow: (values: (Buffer | null)[]) => void): Promise<void>
  /** The one column of the rows, each ended by a line feed, up to so many bytes; null when it is NULL in one of them. */
  lines(sql: string, mostBytes: number): Promise<Lines | null>
  close(): Promise<void>
}

export interface Lines {
  readonly count: number
  readonly text: Buffer
}

export interface Place {
  readonly host: string
  readonly port: number
  readonly database: string
  /** `host:port/database`. */
  readonly label: string
}

export function placeOf(url: string): Place {
  const { hostname: host, port: given, pathname } = new URL(url)
  const port = Number(given || 3306)
  const database = decodeURIComponent(pathname.slice(1))
  return { host, port, database, label: `${host}:${port}/${database}` }
}

/** @throws MariadbConnectError */
export async function openSession(url: string, more: readonly string[] = []): Promise<Session> {
  const { createConnection } = await import('mysql2') // 95 modules that a split of PostgreSQL does without
  const connection = createConnection({
    uri: url,
    charset: 'utf8mb4_general_ci',
    rowsAsArray: true,
    supportBigNumbers: true,
    connectTimeout: 10_000,
    typeCast: (field) => field.string('utf8'),
    flags: ['FOUND_ROWS'],
  })
  // a broken connection is told by the statement that meets it
  connection.on('error', () => undefined)
  await new Promise<void>((resolve, reject) => {
    connection.connect((error: QueryError | null) => {
      if (!error) return resolve()
      reject(new MariadbConnectError(placeOf(url).label, error.code ?? 'refused', { cause: error }))
    })
  })
  const session = sessionOn(connection, placeOf(url).label)
  await session.run(`set session ${[...settings, ...more].join(', ')}`)
  return session
}

function sessionOn(connection: Connection, label: string): Session {
  const query = (sql: string) =>
    new Promise<unknown>((resolve, reject) => {
      connection.query(sql, (error: QueryError | null, result: unknown) => {
        if (!error) return resolve(result)
        // what the driver says of a connection that broke earlier has no code
        const isClosed = /closed state/.test(error.message)
        reject(isClosed ? new MariadbConnectError(label, 'it was lost', { cause: error }) : error)
      })
    })
  const rows = async (sql: string) => (await query(sql)) as (string | null)[][]
  let expectedBytes = leastBytes
  return {
    connection,
    rows,
    value: async (sql) => (await rows(sql))[0]?.[0] ?? null,
    run: async (sql) => ((await query(sql)) as { affectedRows?: number }).affectedRows ?? 0,
    stream: (sql, onRow) => readRaw(connection, sql, (bytes, start, end) => onRow(splitValues(bytes, start, end))),
    lines: async (sql, mostBytes) => {
      let text = Buffer.allocUnsafe(expectedBytes)
      let length = 0
      let count = 0
      let hasNull = false
      await readRaw(connection, sql, (bytes, start, end) => {
        if (length > mostBytes) return
        const [from, to] = lengthAt(bytes, start)
        hasNull ||= to === null
        if (hasNull || to === null) return
        if (length + end - start >= text.length) {
          const larger = Buffer.allocUnsafe(2 * (text.length + end - start))
          text.copy(larger, 0, 0, length)
          text = larger
        }
        length += bytes.copy(text, length, from, to)
        text[length++] = lineFeed
        count++
      })
      // what comes next is often as long: to begin small and grow writes all of it twice
      expectedBytes = Math.max(leastBytes, Math.ceil(length * 1.1))
      return hasNull ? null : { count, text: text.subarray(0, length) }
    },
    close: () =>
      new Promise((resolve) => {
        connection.end(() => resolve())
        // a connection that is gone does not answer
        setTimeout(() => (connection.destroy(), resolve()), 1000).unref()
      }),
  }
}

const lineFeed = 10
const leastBytes = 1 << 20

interface Packet {
  readonly buffer: Buffer
  readonly offset: number
  readonly end: number
  isEOF(): boolean
}

interface QueryCommand {
  row(packet: Packet): unknown
  done(): unknown
}

/** mysql2 makes values of each row one by one; here rows stay the bytes that they came in. */
function readRaw(
  connection: Connection,
  sql: string,
  onRow: (bytes: Buffer, start: number, end: number) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const command = connection.query(sql, (error: QueryError | null) =>
      error ? reject(error) : resolve(),
    ) as unknown as QueryCommand
    command.row = function row(this: QueryCommand, packet) {
      if (packet.isEOF()) return this.done()
      onRow(packet.buffer, packet.offset, packet.end)
      return row
    }
  })
}

function splitValues(bytes: Buffer, start: number, end: number): (Buffer | null)[] {
  const values: (Buffer | null)[] = []
  let at = start
  while (at < end) {
    const [from, to] = lengthAt(bytes, at)
    values.push(to === null ? null : bytes.subarray(from, to))
    at = to ?? from
  }
  return values
}

/** Where a value of the protocol begins and ends; null for NULL. */
function lengthAt(bytes: Buffer, at: number): [from: number, to: number | null] {
  const first = bytes[at] as number
  if (first < 0xfb) return [at + 1, at + 1 + first]
  if (first === 0xfb) return [at + 1, null]
  if (first === 0xfc) return [at + 3, at + 3 + bytes.readUInt16LE(at + 1)]
  if (first === 0xfd) return [at + 4, at + 4 + bytes.readUIntLE(at + 1, 3)]
  return [at + 9, at + 9 + Number(bytes.readBigUInt64LE(at + 1))]
}

/** The code of an error of the server, ER_..., or of the connection. */
export function errorCode(error: unknown): string {
  return (error as { code?: string }).code ?? 'unknown'
}

/** The number of an error of the server. */
export function errorNumber(error: unknown): number | undefined {
  return (error as { errno?: number }).errno
}
