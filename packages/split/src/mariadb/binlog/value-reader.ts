import { inflateRawSync, inflateSync } from 'node:zlib'
import type { LocalColumn } from '../layout.ts'
import { insteadOfZeroDate } from '../zero-date.ts'
import type { Value } from '../../model.ts'
import { decoderOf } from './charset.ts'
import type { Cursor } from './cursor.ts'
import { readDecimal } from './decimal.ts'
import { columnType, type LoggedColumn } from './table-map.ts'
import { readDate, readDatetime, readDatetime2, readTime, readTime2, readTimestamp } from './times.ts'

/** Reads a value that is not NULL and moves on to the next one. */
export type ValueReader = (cursor: Cursor) => Value

/** A reader that gives neutral text. `column` is null for a column that is not moved: its values are passed over. */
export function valueReader(logged: LoggedColumn, column: LocalColumn | null): ValueReader {
  const { type, meta } = logged
  switch (type) {
    case columnType.tiny:
      return integerReader(1, column)
    case columnType.short:
      return integerReader(2, column)
    case columnType.int24:
      return integerReader(3, column)
    case columnType.long:
      return integerReader(4, column)
    case columnType.longlong:
      return column?.type.unsigned
        ? (cursor) => String(cursor.take(8).readBigUInt64LE())
        : (cursor) => String(cursor.take(8).readBigInt64LE())
    case columnType.float:
      return (cursor) => String(cursor.take(4).readFloatLE())
    case columnType.double:
      return (cursor) => String(cursor.take(8).readDoubleLE())
    case columnType.newDecimal:
      return (cursor) => readDecimal(cursor, meta >> 8, meta & 0xff)
    case columnType.year:
      return (cursor) => {
        const year = cursor.uint(1)
        return year === 0 ? '0' : String(1900 + year)
      }
    case columnType.bit:
      return bitReader(Math.floor(((meta >> 8) * 8 + (meta & 0xff) + 7) / 8), column)
    case columnType.enum:
      return (cursor) => column?.type.labels[cursor.uint(meta) - 1] ?? ''
    case columnType.set:
      return setReader(meta, column)
    case columnType.string:
      return bytesReader(meta < 256 ? 1 : 2, column)
    case columnType.varchar:
    case columnType.varString:
      return bytesReader(meta < 256 ? 1 : 2, column)
    case columnType.blob:
    case columnType.tinyBlob:
    case columnType.mediumBlob:
    case columnType.longBlob:
      return bytesReader(meta, column)
    case columnType.varcharCompressed:
      return bytesReader(meta < 256 ? 1 : 2, column, inflateValue)
    case columnType.blobCompressed:
      return bytesReader(meta, column, inflateValue)
    default:
      return timeReader(logged, column) ?? passOver(logged, column)
  }
}

function timeReader({ type, meta }: LoggedColumn, column: LocalColumn | null): ValueReader | null {
  const orPolicy = (read: (cursor: Cursor) => string | null): ValueReader => {
    const instead = zeroDate(column)
    return (cursor) => read(cursor) ?? instead
  }
  switch (type) {
    case columnType.date:
      return orPolicy(readDate)
    case columnType.datetime2:
      return orPolicy((cursor) => readDatetime2(cursor, meta))
    case columnType.datetime:
      return orPolicy(readDatetime)
    case columnType.timestamp2:
      return orPolicy((cursor) => readTimestamp(cursor.uintBE(4), cursor, meta))
    case columnType.timestamp:
      return orPolicy((cursor) => readTimestamp(cursor.uint(4), cursor, 0))
    case columnType.time2:
      return (cursor) => readTime2(cursor, meta)
    case columnType.time:
      return readTime
    default:
      return null
  }
}

/** What becomes of a date that PostgreSQL does not have. Without a policy it stays one, for PostgreSQL to refuse. */
function zeroDate(column: LocalColumn | null): string | null {
  const instead = column === null ? undefined : insteadOfZeroDate(column)
  if (instead === undefined) return '0000-00-00'
  return instead !== null && column?.family === 'timestamp' ? `${instead}+00` : instead
}

function integerReader(size: number, column: LocalColumn | null): ValueReader {
  const read = column?.type.unsigned ? (cursor: Cursor) => cursor.uint(size) : (cursor: Cursor) => cursor.int(size)
  if (column?.target === 'boolean') return (cursor) => truthValue(read(cursor))
  return (cursor) => String(read(cursor))
}

/** Another number stays one, for PostgreSQL to refuse. */
function truthValue(value: number): string {
  return ['f', 't'][value] ?? String(value)
}

function bitReader(size: number, column: LocalColumn | null): ValueReader {
  const isBoolean = column?.target === 'boolean'
  return (cursor) => {
    const value = BigInt(`0x${cursor.take(size).toString('hex')}`)
    return isBoolean ? (value === 0n ? 'f' : 't') : String(value)
  }
}

function setReader(size: number, column: LocalColumn | null): ValueReader {
  const labels = column?.type.labels ?? []
  const isArray = column?.target === 'text[]'
  return (cursor) => {
    let bits = 0n
    for (const [at, byte] of cursor.take(size).entries()) bits |= BigInt(byte) << BigInt(at * 8)
    const chosen = labels.filter((_, at) => (bits >> BigInt(at)) & 1n)
    if (!isArray) return chosen.join(',')
    return `{${chosen.map((label) => `"${label.replace(/["\\]/g, '\\$&')}"`).join(',')}}`
  }
}

/** Texts and bytes, behind their length. */
function bytesReader(
  lengthSize: number,
  column: LocalColumn | null,
  unpack = (bytes: Buffer): Buffer => bytes,
): ValueReader {
  const take = (cursor: Cursor) => unpack(cursor.take(cursor.uint(lengthSize)))
  if (column === null) return (cursor) => String(take(cursor).length)
  switch (column.family) {
    case 'bytes': {
      // the zeros at the end of BINARY(n) are not logged
      const width = column.type.base === 'binary' ? (column.type.numbers[0] ?? 1) * 2 : 0
      return (cursor) => `\\x${take(cursor).toString('hex').padEnd(width, '0')}`
    }
    case 'uuid':
      return (cursor) => uuidText(padded(take(cursor), 16))
    case 'inet':
      return (cursor) => inetText(padded(take(cursor), column.type.base === 'inet4' ? 4 : 16))
    default: {
      const decode = decoderOf(column.charset ?? 'utf8mb4')
      return (cursor) => decode(take(cursor))
    }
  }
}

function padded(bytes: Buffer, width: number): Buffer {
  return bytes.length === width ? bytes : Buffer.concat([bytes, Buffer.alloc(width - bytes.length)])
}

/** Versions 1 to 5 are kept with their groups turned round, so that they are in the order of time. */
function uuidText(bytes: Buffer): string {
  const version = bytes[8] as number
  const isTurned = ((bytes[6] as number) & 0x80) !== 0 && version > 0 && version < 0x60
  const hex = bytes.toString('hex')
  const groups = isTurned
    ? [hex.slice(24), hex.slice(20, 24), hex.slice(16, 20), hex.slice(12, 16), hex.slice(0, 12)]
    : [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)]
  return groups.join('-')
}

function inetText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.')
  return (bytes.toString('hex').match(/.{4}/g) ?? []).join(':')
}

/**
 * A value of a COMPRESSED column: a byte that tells how it is packed (0: not at all), and behind it the length that it will
 * have, of as many bytes as that byte's lowest bits say. An empty one is nothing at all.
 */
function inflateValue(bytes: Buffer): Buffer {
  const [how = 0] = bytes
  if (how === 0) return bytes.subarray(1)
  const packed = bytes.subarray(1 + (how & 0x07))
  return how & 0x08 ? inflateRawSync(packed) : inflateSync(packed)
}

/** A type that cannot be moved, in a column that is not. */
function passOver({ type, meta }: LoggedColumn, column: LocalColumn | null): ValueReader {
  const lengthSize = type === columnType.json || type === columnType.geometry ? meta : 0
  if (column !== null || lengthSize === 0) throw new RangeError(`values of the column type ${type} cannot be read`)
  return (cursor) => String(cursor.take(cursor.uint(lengthSize)).length)
}
