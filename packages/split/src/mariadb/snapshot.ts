import { createHash } from 'node:crypto'
import type { Key, MovedTable, Position } from '../model.ts'
import type { Digest, RangeDigest, RowDigest, Snapshot } from '../side.ts'
import { jsonbText } from '../types/jsonb-text.ts'
import { md5, shortenedText } from '../types/long-values.ts'
import { SnapshotOutdatedError, SourceTableChangedError } from './errors.ts'
import { digestText, neutralText, nullMarksOf } from './expressions.ts'
import { KeyOrders } from './key-order.ts'
import { inRange, orderBy, type KeyOrder } from './key-range.ts'
import { readLayouts, type Layout, type LocalColumn } from './layout.ts'
import { masterPosition } from './position.ts'
import { ChunkReader } from './read-chunk.ts'
import { errorNumber, openSession, type Session } from './session.ts'

const separator = Buffer.from([0x1f])
const newline = Buffer.from('\n')

/**
 * Opens a view of the tables. MariaDB tells the place in its binlog that a snapshot stands for, so that every one is exact,
 * without a lock.
 */
export async function openSnapshot(url: string, tables: readonly MovedTable[]): Promise<Snapshot> {
  const session = await openSession(url)
  try {
    const position = await beginSnapshot(session)
    const layouts = await readLayouts(session, tables)
    return readFrom(session, position, (table) => layoutOf(layouts, table))
  } catch (error) {
    await session.close()
    throw error
  }
}

async function beginSnapshot(session: Session): Promise<Position> {
  const position = await beginTransaction(session)
  await session.run(`savepoint ${start}`)
  return position
}

const start = 'imhotep_split_start'
/** "Table definition has changed": it was rebuilt or emptied, which a new snapshot need not mind. */
const tableRebuilt = 1412
/** A column that is not there, a table that is not there. */
const tableChanged = [1054, 1146]

/**
 * Reads, and lets go of the table: a table that a transaction has read cannot be altered or emptied before its end, and all
 * clients of it wait behind whoever tries. What is seen stays the same.
 */
async function reading<T>(session: Session, { source }: MovedTable, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (errorNumber(error) === tableRebuilt) throw new SnapshotOutdatedError(source, { cause: error })
    if (tableChanged.includes(errorNumber(error) ?? 0))
      throw new SourceTableChangedError(source, 'was altered while it was read')
    throw error
  } finally {
    await session.run(`rollback to savepoint ${start}`).catch(() => undefined)
  }
}

async function beginTransaction(session: Session): Promise<Position> {
  // Where a transaction is logged it keeps its tables to its end. This one only reads; who may not say so goes without.
  await session.run('set session sql_log_bin = 0').catch(() => undefined)
  await session.run('set session transaction isolation level repeatable read')
  await session.run('start transaction with consistent snapshot, read only')
  const status = new Map(
    (await session.rows(`show status like 'binlog\\_snapshot\\_%'`)).map(([name, value]) => [name, value]),
  )
  const file = status.get('Binlog_snapshot_file')
  if (file) return `${file}:${status.get('Binlog_snapshot_position')}`
  return beginUnderLock(session)
}

/** MySQL does not tell the place: nobody commits for the two round trips in which it is read. */
async function beginUnderLock(session: Session): Promise<Position> {
  await session.run('rollback')
  await session.run('set session lock_wait_timeout = 1')
  await session.run('flush tables with read lock')
  try {
    await session.run('start transaction with consistent snapshot, read only')
    return await masterPosition(session)
  } finally {
    await session.run('unlock tables')
  }
}

function layoutOf(layouts: ReadonlyMap<MovedTable, Layout>, table: MovedTable): Layout {
  const found =
    layouts.get(table) ??
    [...layouts.values()].find(
      (layout) => layout.table.schema === table.source.schema && layout.table.name === table.source.name,
    )
  if (!found) throw new Error(`the snapshot was not opened for ${table.source.schema}.${table.source.name}`)
  return found
}

function readFrom(session: Session, position: Position, layoutOf: (table: MovedTable) => Layout): Snapshot {
  const orders = new KeyOrders(session)
  const chunks = new ChunkReader(session)
  const rangeOf = async (table: MovedTable, after: Key | null, upto: Key | null): Promise<Range> => {
    const layout = layoutOf(table)
    const order = await orders.of(layout, after, upto)
    return { session, layout, after, upto, order, isStored: await orders.isStored(layout, order) }
  }
  return {
    position,
    chunk: (table, after, limit) => reading(session, table, () => chunks.read(layoutOf(table), after, limit)),
    binaryTypes: () => null,
    digestNext: (table, after, limit) =>
      reading(session, table, async () => {
        const range = await rangeOf(table, after, null)
        const last = await keyAt(range, limit)
        return last === null ? digestWithLast(range) : { ...(await digestRange({ ...range, upto: last })), last }
      }),
    digestRange: (table, after, upto) =>
      reading(session, table, async () => digestRange(await rangeOf(table, after, upto))),
    rowDigests: (table, after, upto) =>
      reading(session, table, async () => digestEachRow(await rangeOf(table, after, upto))),
    close: () => session.close(),
  }
}

interface Range {
  readonly session: Session
  readonly layout: Layout
  readonly after: Key | null
  readonly upto: Key | null
  readonly order: KeyOrder
  /** The primary key reads the rows in this order. */
  readonly isStored: boolean
}

/** The key of the row `count` rows behind `after`; null when there are fewer. */
async function keyAt(range: Range, count: number): Promise<Key | null> {
  const [row] = await range.session.rows(selectKeys(range, 'asc', `${count - 1}, 1`))
  return (row as string[] | undefined) ?? null
}

function selectKeys({ layout, after, upto, order }: Range, direction: 'asc' | 'desc', limit: string): string {
  return (
    `select ${layout.key.map(neutralText).join(', ')} from ${layout.sql} where ${inRange(layout, order, after, upto)}` +
    ` order by ${orderBy(layout, order, direction)} limit ${limit}`
  )
}

async function digestWithLast(range: Range): Promise<RangeDigest> {
  const digest = await digestRange(range)
  if (digest.rows === 0) return { ...digest, last: null }
  const [row] = await range.session.rows(selectKeys(range, 'desc', '1'))
  return { ...digest, last: row as string[] }
}

async function digestRange(range: Range): Promise<Digest> {
  const onServer = range.layout.columns.some(isJsonb) ? null : await digestOnServer(range)
  return onServer ?? digestHere(range)
}

/** PostgreSQL writes jsonb anew, which this server cannot do. */
function isJsonb({ target }: LocalColumn): boolean {
  return target === 'jsonb'
}

/** Null when the text of the rows is longer than the server lets it be. */
async function digestOnServer({ session, layout, after, upto, order, isStored }: Range): Promise<Digest | null> {
  const values = [...layout.columns.map(digestText), ...nullMarksOf(layout.columns)]
  const row = `concat_ws(char(31 using utf8mb4), ${values.join(', ')})`
  // Were they read in another order after all, each row would be compared by itself.
  const [from, by] = isStored
    ? [`${layout.sql} force index (primary)`, '']
    : [layout.sql, `order by ${orderBy(layout, order)}`]
  const [found] = await session.rows(
    String.raw`select count(*), md5(ifnull(group_concat(${row} ${by} separator '\n'), ''))` +
      ` from ${from} where ${inRange(layout, order, after, upto)}`,
  )
  // cut at max_allowed_packet
  if ((await session.value('select @@warning_count')) !== '0') return null
  return { rows: Number(found?.[0]), digest: found?.[1] ?? '' }
}

async function digestHere({ session, layout, after, upto, order }: Range): Promise<Digest> {
  const hash = createHash('md5')
  const asJsonb = layout.columns.map(isJsonb)
  let rows = 0
  await session.stream(
    `select ${[...layout.columns.map(digestText), ...nullMarksOf(layout.columns)].join(', ')} from ${layout.sql}` +
      ` where ${inRange(layout, order, after, upto)} order by ${orderBy(layout, order)}`,
    (values) => {
      if (rows++ > 0) hash.update(newline)
      values.forEach((value, at) => {
        if (value === null) return
        hash.update(asJsonb[at] ? jsonbDigestText(value) : value)
        if (at < values.length - 1) hash.update(separator)
      })
    },
  )
  return { rows, digest: hash.digest('hex') }
}

async function digestEachRow({ session, layout, after, upto, order }: Range): Promise<RowDigest[]> {
  const width = layout.key.length
  const asJsonb = layout.columns.map(isJsonb)
  const digests = layout.columns.map((column) =>
    isJsonb(column) ? digestText(column) : `md5(concat(${digestText(column)}))`,
  )
  const rows: RowDigest[] = []
  await session.stream(
    `select ${[...layout.key.map(neutralText), ...digests].join(', ')} from ${layout.sql}` +
      ` where ${inRange(layout, order, after, upto)} order by ${orderBy(layout, order)}`,
    (values) => {
      rows.push({
        key: values.slice(0, width).map(String),
        columns: values.slice(width).map((value, at) => {
          if (value === null) return ''
          if (!asJsonb[at]) return value.toString()
          return md5(jsonbDigestText(value))
        }),
      })
    },
  )
  return rows
}

function jsonbDigestText(value: Buffer): string {
  return shortenedText(jsonbText(value.toString()))
}
