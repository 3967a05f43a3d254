import type { Change, Key, Row, Value } from '../../model.ts'
import type { Layout } from '../layout.ts'
import { SourceTableChangedError } from '../errors.ts'
import { Cursor } from './cursor.ts'
import { inflate, rowsKinds, type BinlogEvent } from './event.ts'
import type { TableMap } from './table-map.ts'
import { valueReader, type ValueReader } from './value-reader.ts'

/** A table of the log with what it takes to read its rows. */
export interface LoggedTable {
  readonly layout: Layout
  readonly readers: readonly ValueReader[]
}

/** @throws SourceTableChangedError when the table had other columns at that time */
export function loggedTable(map: TableMap, layout: Layout): LoggedTable {
  if (map.columns.length !== layout.places.length) {
    throw new SourceTableChangedError(layout.table, 'the log holds rows with another number of columns')
  }
  const readers = map.columns.map((logged, at) => {
    const place = layout.places[at] ?? -1
    return valueReader(logged, place < 0 ? null : (layout.columns[place] ?? null))
  })
  return { layout, readers }
}

/** The number of the table that a rows event is about. */
export function tableOfRows(event: BinlogEvent): number {
  return event.body.readUIntLE(0, 6)
}

/** The session wrote under foreign_key_checks = 0 (NO_FOREIGN_KEY_CHECKS_F). */
const withoutChecks = 0x2

/** @throws RangeError when a row that is new lacks values */
export function readChanges(event: BinlogEvent, table: LoggedTable): Change[] {
  const kind = rowsKinds.get(event.type)
  if (!kind) throw new RangeError(`event type ${event.type} holds no rows`)
  const cursor = new Cursor(event.body, 8)
  if (kind.version === 2) cursor.skip(cursor.bytes.readUInt16LE(cursor.at))
  const width = cursor.packedInteger()
  const first = presentColumns(cursor, width)
  const second = kind.kind === 'update' ? presentColumns(cursor, width) : first
  const rows = kind.compressed ? new Cursor(inflate(cursor.bytes.subarray(cursor.at))) : cursor
  if (kind.kind === 'insert' && !isWhole(table, first)) {
    throw new RangeError('a row is logged without all its columns (binlog_row_image)')
  }
  const changes: Change[] = []
  const moved = table.layout.moved
  const mark = event.body.readUInt16LE(6) & withoutChecks ? { withoutCascade: true } : {}
  while (!rows.isAtEnd) {
    const row = readRow(rows, table, first)
    if (kind.kind === 'insert') changes.push({ table: moved, kind: 'insert', row })
    else if (kind.kind === 'delete') {
      changes.push({ table: moved, kind: 'delete', key: keyOf(table, row), before: row, ...mark })
    } else {
      const after = readRow(rows, table, second)
      changes.push({ table: moved, kind: 'update', key: keyOf(table, row), before: row, row: after, ...mark })
    }
  }
  return changes
}

/** Only what an update leaves out is there already. */
function isWhole({ layout }: LoggedTable, present: readonly boolean[]): boolean {
  return layout.places.every((place, at) => place < 0 || present[at])
}

function presentColumns(cursor: Cursor, width: number): boolean[] {
  return bits(cursor.take((width + 7) >> 3), width)
}

function bits(bytes: Buffer, count: number): boolean[] {
  return Array.from({ length: count }, (_, at) => (((bytes[at >> 3] as number) >> (at & 7)) & 1) === 1)
}

function readRow(cursor: Cursor, { layout, readers }: LoggedTable, present: readonly boolean[]): Row {
  const nulls = cursor.take((present.filter(Boolean).length + 7) >> 3)
  const row: Value[] = layout.columns.map(() => undefined)
  let seen = 0
  for (let at = 0; at < readers.length; at++) {
    if (!present[at]) continue
    const isNull = (((nulls[seen >> 3] as number) >> (seen & 7)) & 1) === 1
    seen++
    const value = isNull ? null : readers[at]?.(cursor)
    const place = layout.places[at] as number
    if (place >= 0) row[place] = value
  }
  return row
}

function keyOf({ layout }: LoggedTable, row: Row): Key {
  return layout.keyAt.map((at) => {
    const value = row[at]
    if (value == null) throw new SourceTableChangedError(layout.table, 'the log holds a row without its key')
    return value
  })
}
