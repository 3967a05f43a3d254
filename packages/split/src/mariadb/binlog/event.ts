import { crc32, inflateSync } from 'node:zlib'
import { Cursor } from './cursor.ts'

/** Numbers of events, as MariaDB and MySQL give them. */
export const eventType = {
  query: 2,
  rotate: 4,
  formatDescription: 15,
  xid: 16,
  executeLoadQuery: 18,
  tableMap: 19,
  incident: 26,
  heartbeat: 27,
  xaPrepare: 38,
  partialUpdateRows: 39,
  transactionPayload: 40,
  gtid: 162,
  queryCompressed: 165,
} as const

interface RowsKind {
  readonly kind: 'insert' | 'update' | 'delete'
  readonly version: 1 | 2
  readonly compressed: boolean
}

const kinds = ['insert', 'update', 'delete'] as const

/** What a rows event does, by its number. */
export const rowsKinds: ReadonlyMap<number, RowsKind> = new Map(
  (
    [
      [23, 1, false],
      [30, 2, false],
      [166, 1, true],
      [169, 2, true],
    ] as const
  ).flatMap(([first, version, compressed]) =>
    kinds.map((kind, at): [number, RowsKind] => [first + at, { kind, version, compressed }]),
  ),
)

export interface BinlogEvent {
  readonly type: number
  readonly at: Date
  /** Of the end of the event in its file; 0 for an event that the server made up for us. */
  readonly end: number
  /** Without header and checksum. */
  readonly body: Buffer
}

const headerLength = 19
const checksumLength = 4

/** Takes an event apart. @throws RangeError when its checksum is wrong */
export function parseEvent(bytes: Buffer): BinlogEvent {
  const bodyEnd = bytes.length - checksumLength
  const type = bytes[4] as number
  if (crc32(bytes.subarray(0, bodyEnd)) !== bytes.readUInt32LE(bodyEnd)) {
    throw new RangeError(`the checksum of an event (type ${type}) is wrong`)
  }
  return {
    type,
    at: new Date(bytes.readUInt32LE(0) * 1000),
    end: bytes.readUInt32LE(13),
    body: bytes.subarray(headerLength, bodyEnd),
  }
}

/** What a compressed event of MariaDB holds: a byte with the length of a length, that length, zlib. */
export function inflate(bytes: Buffer): Buffer {
  return inflateSync(bytes.subarray(1 + ((bytes[0] as number) & 0x07)))
}

export interface QueryEvent {
  readonly database: string
  readonly sql: string
  /** Of the session that wrote it, as bits; 0 where the log does not tell. */
  readonly sqlMode: number
}

export function parseQuery({ body, type }: BinlogEvent): QueryEvent {
  const cursor = new Cursor(body, 8)
  const databaseLength = cursor.uint(1)
  cursor.skip(2)
  const sqlMode = sqlModeOf(cursor.take(cursor.uint(2)))
  const database = cursor.text(databaseLength)
  cursor.skip(1)
  const rest = body.subarray(cursor.at)
  return { database, sql: (type === eventType.queryCompressed ? inflate(rest) : rest).toString('utf8'), sqlMode }
}

/** It stands in front of all status variables but the flags, which have the number 0. */
function sqlModeOf(variables: Buffer): number {
  const at = variables[0] === 0 ? 5 : 0
  return variables[at] === 1 ? variables.readUInt32LE(at + 1) : 0
}
