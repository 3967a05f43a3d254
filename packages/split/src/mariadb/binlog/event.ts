import { crc32, inflateSync } from 'node:zlib'
import { decoderOf, isKnownCharset } from './charset.ts'
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

/** What the description of a file says at the end of its body. */
const crc32Checksums = 1

/** Whether events behind the description of a file have checksums. */
export function tellsOfChecksums({ body }: BinlogEvent): boolean {
  return body.at(-1) === crc32Checksums
}

/**
 * Takes an event apart. The description of a file has room for a checksum also where the server computes none.
 * @throws RangeError when its checksum is wrong
 */
export function parseEvent(bytes: Buffer, hasChecksum: boolean): BinlogEvent {
  const type = bytes[4] as number
  const isDescription = type === eventType.formatDescription
  const bodyEnd = isDescription || hasChecksum ? bytes.length - checksumLength : bytes.length
  const isChecked = isDescription ? bytes[bodyEnd - 1] === crc32Checksums : hasChecksum
  if (isChecked && crc32(bytes.subarray(0, bodyEnd)) !== bytes.readUInt32LE(bodyEnd)) {
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

/** @param charsets names of character sets by the numbers that the log gives them */
export function parseQuery({ body, type }: BinlogEvent, charsets: ReadonlyMap<number, string>): QueryEvent {
  const cursor = new Cursor(body, 8)
  const databaseLength = cursor.uint(1)
  cursor.skip(2)
  const { sqlMode, charset } = readVariables(new Cursor(cursor.take(cursor.uint(2))))
  const database = cursor.text(databaseLength)
  cursor.skip(1)
  const rest = body.subarray(cursor.at)
  const bytes = type === eventType.queryCompressed ? inflate(rest) : rest
  const name = charsets.get(charset) ?? 'utf8mb4'
  return { database, sql: decoderOf(isKnownCharset(name) ? name : 'latin1')(bytes), sqlMode }
}

/** The status variables that stand in front of that of the character set. */
const variable = { flags: 0, sqlMode: 1, autoIncrement: 3, charset: 4, catalog: 6 } as const

function readVariables(cursor: Cursor): { readonly sqlMode: number; readonly charset: number } {
  let sqlMode = 0
  while (!cursor.isAtEnd) {
    switch (cursor.uint(1)) {
      case variable.flags:
      case variable.autoIncrement:
        cursor.skip(4)
        break
      case variable.sqlMode:
        sqlMode = cursor.uint(4)
        cursor.skip(4)
        break
      case variable.catalog:
        cursor.skip(cursor.uint(1))
        break
      case variable.charset:
        return { sqlMode, charset: cursor.uint(2) }
      default:
        return { sqlMode, charset: 0 }
    }
  }
  return { sqlMode, charset: 0 }
}
