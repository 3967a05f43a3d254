import type { Key } from '../model.ts'
import type { Layout } from './layout.ts'

/** Types whose binary form is the same on every server: those of users have other numbers there. */
const portable: ReadonlySet<string> = new Set(
  [
    'boolean',
    'smallint',
    'integer',
    'bigint',
    'real',
    'double precision',
    'numeric',
    'text',
    'character varying',
    'bpchar',
    'bytea',
    'uuid',
    'date',
    'time without time zone',
    'timestamp without time zone',
    'timestamp with time zone',
    'interval',
    'json',
    'jsonb',
    'inet',
    'cidr',
    'xid8',
  ].flatMap((type) => [type, `${type}[]`]),
)

/** How the types of keys are read; a value is `data` from `start` to `end`. */
const keyReaders: Readonly<Record<string, (data: Buffer, start: number, end: number) => string>> = {
  smallint: (data, start) => String(data.readInt16BE(start)),
  integer: (data, start) => String(data.readInt32BE(start)),
  bigint: (data, start) => String(data.readBigInt64BE(start)),
  text: (data, start, end) => data.toString('utf8', start, end),
  'character varying': (data, start, end) => data.toString('utf8', start, end),
  uuid: (data, start, end) =>
    data.toString('hex', start, end).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
}

/** In place of the number of fields. */
const endOfRows = Buffer.from([0xff, 0xff])
/** 11 bytes of signature and 4 of flags; then the length of an extension. */
const extensionAt = 15

/** The types of a table whose rows COPY can carry in binary form; null when it cannot, or when their keys could not be read. */
export function binaryTypes({ columns, key }: Layout): readonly string[] | null {
  const isReadable = columns.every(({ cast }) => portable.has(cast)) && key.every(({ cast }) => cast in keyReaders)
  return isReadable ? columns.map(({ cast }) => cast) : null
}

/** Number of the rows that COPY wrote in binary form, and the key of the last one. */
export function readBinary(
  data: Buffer,
  { keyAt, columns }: Layout,
): { readonly rows: number; readonly last: Key | null } {
  // a third of what the methods of Buffer take
  const view = new DataView(data.buffer, data.byteOffset, data.length)
  let at = extensionAt + 4 + view.getInt32(extensionAt)
  let lastRow = at
  let rows = 0
  for (let fields = view.getInt16(at); fields >= 0; fields = view.getInt16(at)) {
    lastRow = at
    rows++
    at += 2
    for (let field = 0; field < fields; field++) at += 4 + Math.max(0, view.getInt32(at))
  }
  if (rows === 0) return { rows, last: null }
  return { rows, last: keyAt.map((column) => readValue(data, lastRow, column, columns[column]?.cast ?? '')) }
}

/** Without the beginning of a row that was not read to its end. */
export function wholeRows(data: Buffer): Buffer {
  const view = new DataView(data.buffer, data.byteOffset, data.length)
  let end = extensionAt + 4 + view.getInt32(extensionAt)
  for (let at = end; at <= data.length;) {
    end = at
    if (at + 2 > data.length) break
    const fields = view.getInt16(at)
    if (fields < 0) break
    at += 2
    for (let field = 0; field < fields; field++) {
      at += at + 4 > data.length ? data.length : 4 + Math.max(0, view.getInt32(at))
    }
  }
  return Buffer.concat([data.subarray(0, end), endOfRows])
}

function readValue(data: Buffer, row: number, column: number, type: string): string {
  let at = row + 2
  for (let field = 0; field < column; field++) at += 4 + Math.max(0, data.readInt32BE(at))
  return keyReaders[type]?.(data, at + 4, at + 4 + data.readInt32BE(at)) ?? ''
}
