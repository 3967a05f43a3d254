import { Cursor } from './cursor.ts'

/** Types as the binlog numbers them. */
export const columnType = {
  decimal: 0,
  tiny: 1,
  short: 2,
  long: 3,
  float: 4,
  double: 5,
  timestamp: 7,
  longlong: 8,
  int24: 9,
  date: 10,
  time: 11,
  datetime: 12,
  year: 13,
  varchar: 15,
  bit: 16,
  timestamp2: 17,
  datetime2: 18,
  time2: 19,
  blobCompressed: 140,
  varcharCompressed: 141,
  json: 245,
  newDecimal: 246,
  enum: 247,
  set: 248,
  tinyBlob: 249,
  mediumBlob: 250,
  longBlob: 251,
  blob: 252,
  varString: 253,
  string: 254,
  geometry: 255,
} as const

export interface LoggedColumn {
  readonly type: number
  /** Length, precision and scale or fraction, by the type. */
  readonly meta: number
}

export interface TableMap {
  readonly schema: string
  readonly name: string
  readonly columns: readonly LoggedColumn[]
}

const oneByte: ReadonlySet<number> = new Set([
  columnType.float,
  columnType.double,
  columnType.blob,
  columnType.tinyBlob,
  columnType.mediumBlob,
  columnType.longBlob,
  columnType.blobCompressed,
  columnType.json,
  columnType.geometry,
  columnType.timestamp2,
  columnType.datetime2,
  columnType.time2,
])
const twoBytes: ReadonlySet<number> = new Set([
  columnType.varchar,
  columnType.varString,
  columnType.varcharCompressed,
  columnType.bit,
])
/** Of two bytes as well, the first one first. */
const twoBytesInOrder: ReadonlySet<number> = new Set([
  columnType.newDecimal,
  columnType.string,
  columnType.enum,
  columnType.set,
])

/** Comes before the rows of a table in each statement. */
export function parseTableMap(body: Buffer): { readonly id: number; readonly map: TableMap } {
  const cursor = new Cursor(body)
  const id = cursor.uint(6)
  cursor.skip(2)
  const schema = cursor.text(cursor.uint(1))
  cursor.skip(1)
  const name = cursor.text(cursor.uint(1))
  cursor.skip(1)
  const types = cursor.take(cursor.packedInteger())
  cursor.packedInteger()
  const columns = Array.from(types, (type): LoggedColumn => {
    if (oneByte.has(type)) return { type, meta: cursor.uint(1) }
    if (twoBytes.has(type)) return { type, meta: cursor.uint(2) }
    if (twoBytesInOrder.has(type)) return realType(type, cursor.uintBE(2))
    return { type, meta: 0 }
  })
  return { id, map: { schema, name, columns } }
}

/** CHAR, ENUM and SET are all logged as strings; the metadata says which one, with two bits of the length hidden in it. */
function realType(type: number, meta: number): LoggedColumn {
  if (type !== columnType.string) return { type, meta }
  const [first, length] = [meta >> 8, meta & 0xff]
  if (first === columnType.enum || first === columnType.set) return { type: first, meta: length }
  if ((first & 0x30) !== 0x30) return { type: first | 0x30, meta: length | (((first & 0x30) ^ 0x30) << 4) }
  return { type: first, meta: length }
}
