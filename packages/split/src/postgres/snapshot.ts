import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { DatabaseError, openReplication, type Connection } from '@imhotep/postgres'
import type { Key, MovedTable, Position } from '../model.ts'
import type { Chunk, CopyFormat, Digest, RangeDigest, RowDigest, Snapshot } from '../side.ts'
import { binaryTypes, readBinary, wholeRows } from './copy-binary.ts'
import { mostChunkBytes, readText, wholeLines } from './copy-text.ts'
import { columnDigests, rowText, type Origin } from './digest.ts'
import { WritersBusyError } from './errors.ts'
import { inRange, orderBy } from './key-range.ts'
import { readLayout, type End, type Layout } from './layout.ts'
import { openSession, sessionSettings, withSession } from './session.ts'
import { maxWaitSeconds, writersSince } from './slot.ts'
import { SnapshotSessions } from './snapshot-sessions.ts'

export interface SnapshotOptions {
  readonly end: End
  readonly origin: Origin
  readonly exact: boolean
  /** How long an exact one waits for transactions that write. Default 60. */
  readonly seconds?: number
}

const beginSnapshot = 'begin isolation level repeatable read read only'
const start = 'imhotep_split_start'
const canceled = '57014'

/** Opens a view of the tables that stays as it is. See `Side.snapshot`. */
export async function openSnapshot(
  url: string,
  tables: readonly MovedTable[],
  options: SnapshotOptions,
): Promise<Snapshot> {
  const first = await openSession(url)
  try {
    const layouts = await readLayouts(first, tables, options.end)
    const position = options.exact ? await beginExact(url, first, options.seconds) : await beginAnywhere(first)
    const [exported] = await first.query<{ id: string }>('select pg_export_snapshot() as id')
    await first.script(`savepoint ${start}`)
    const sessions = new SnapshotSessions(first, async () => {
      const session = await openSession(url)
      await session.script(`${beginSnapshot}; set transaction snapshot '${exported?.id}'; savepoint ${start}`)
      return session
    })
    const cancel = ({ pid }: Connection) =>
      withSession(url, async (session) => void (await session.query('select pg_cancel_backend($1)', [pid])))
    return readFrom(sessions, position, (table) => layoutOf(layouts, table), { origin: options.origin, cancel })
  } catch (error) {
    await first.release()
    throw error
  }
}

async function readLayouts(session: Connection, tables: readonly MovedTable[], end: End): Promise<Map<string, Layout>> {
  const layouts = new Map<string, Layout>()
  for (const table of tables) layouts.set(nameOf(table), await readLayout(session, table, end))
  return layouts
}

const nameOf = ({ source }: MovedTable) => JSON.stringify([source.schema, source.name])

function layoutOf(layouts: ReadonlyMap<string, Layout>, table: MovedTable): Layout {
  const layout = layouts.get(nameOf(table))
  if (!layout) throw new Error(`the snapshot was not opened for ${table.source.schema}.${table.source.name}`)
  return layout
}

/** May hold more than what lies before the position, never less: it is taken before, and nothing up to it is under way. */
async function beginAnywhere(session: Connection): Promise<Position> {
  const [row] = await session.query<{ position: string }>('select pg_current_wal_flush_lsn()::text as position')
  await session.script(beginSnapshot)
  return row?.position as Position
}

/**
 * A new slot knows from which commit on it sees everything, and can say what was visible just before: that is a snapshot
 * with its exact position, for which no client waits. It is made when all transactions that write now have ended.
 */
async function beginExact(url: string, reader: Connection, seconds = maxWaitSeconds): Promise<Position> {
  const replication = await openReplication(url, sessionSettings)
  try {
    const name = `imhotep_snapshot_${randomBytes(8).toString('hex')}`
    const made = replication.run(`CREATE_REPLICATION_SLOT ${name} TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT`)
    made.catch(() => undefined)
    const slot = await Promise.race([made, sleep(seconds * 1000, undefined, { ref: false })])
    if (slot === undefined) {
      const writers = await writersSince(reader, seconds)
      // While it waits the server does not notice that nobody listens, and keeps its log.
      await reader.query('select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1', [
        name,
      ])
      throw new WritersBusyError(seconds, writers)
    }
    await reader.script(`${beginSnapshot}; set transaction snapshot '${String(slot[0]?.['snapshot_name'])}'`)
    return String(slot[0]?.['consistent_point'])
  } finally {
    await replication.close()
  }
}

function readFrom(
  sessions: SnapshotSessions,
  position: Position,
  layoutOf: (table: MovedTable) => Layout,
  { origin, cancel }: { readonly origin: Origin; readonly cancel: Cancel },
): Snapshot {
  /** Ranges of tables that were walked through at once, by the key that they begin behind. */
  const walks = new Map<string, ReadonlyMap<string, RangeDigest>>()
  return {
    position,
    chunk: (table, after, limit, format = 'text') =>
      sessions.use((session) => readChunk(session, layoutOf(table), { after, limit, format, cancel })),
    binaryTypes: (table) => binaryTypes(layoutOf(table)),
    async digestNext(table, after, limit) {
      const layout = layoutOf(table)
      const next = () => sessions.use((session) => digestNext(session, layout, origin, after, limit))
      if (!isUnindexed(layout)) return next()
      const place = JSON.stringify([nameOf(table), limit])
      if (after === null) walks.set(place, await sessions.use((session) => digestWalk(session, layout, origin, limit)))
      return walks.get(place)?.get(JSON.stringify(after)) ?? next()
    },
    digestRange: (table, after, upto) =>
      sessions.use((session) => digestRange(session, layoutOf(table), origin, after, upto)),
    rowDigests: (table, after, upto) =>
      sessions.use((session) => digestEachRow(session, layoutOf(table), origin, after, upto)),
    close: () => sessions.close(),
  }
}

/** Ends what a session runs. */
type Cancel = (session: Connection) => Promise<void>

interface ChunkRange {
  readonly after: Key | null
  readonly limit: number
  readonly format: CopyFormat
  readonly cancel: Cancel
}

async function readChunk(
  session: Connection,
  layout: Layout,
  { after, limit, format, cancel }: ChunkRange,
): Promise<Chunk> {
  const columns = layout.columns.map(({ sql }) => sql).join(', ')
  const copy =
    `copy (select ${columns} from ${layout.sql} where ${inRange(layout, 'index', after, null)}` +
    ` order by ${orderBy(layout, 'index')} limit ${limit}) to stdout (format ${format})`
  const read = await readUpTo(limit === 1 ? Infinity : mostChunkBytes, session, copy, cancel)
  if (read.isWhole) return chunkOf(read.data, layout, format)
  const chunk = chunkOf(format === 'binary' ? wholeRows(read.data) : wholeLines(read.data), layout, format)
  return chunk.rows > 0 ? chunk : readChunk(session, layout, { after, limit: 1, format, cancel })
}

function chunkOf(data: Buffer, layout: Layout, format: CopyFormat): Chunk {
  return { format, data, ...(format === 'binary' ? readBinary(data, layout) : readText(data, layout)) }
}

/** Not whole when there is more. Whoever leaves a COPY early loses the connection, and with it the view: it is cancelled. */
async function readUpTo(
  mostBytes: number,
  session: Connection,
  copy: string,
  cancel: Cancel,
): Promise<{ readonly data: Buffer; readonly isWhole: boolean }> {
  const pieces: Buffer[] = []
  let bytes = 0
  let canceling: Promise<void> | undefined
  try {
    for await (const piece of session.copyTo(copy)) {
      bytes += piece.length
      if (bytes <= mostBytes) pieces.push(piece)
      else canceling ??= cancel(session)
    }
  } catch (error) {
    if (!canceling || !(error instanceof DatabaseError) || error.sqlstate !== canceled) throw error
  }
  if (canceling) {
    await canceling
    await session.script(`rollback to savepoint ${start}`)
  }
  return { data: Buffer.concat(pieces), isWhole: !canceling }
}

async function digestNext(
  session: Connection,
  layout: Layout,
  origin: Origin,
  after: Key | null,
  limit: number,
): Promise<RangeDigest> {
  const keys = layout.key.map(({ sql }, at) => `concat(${sql}) as k${at}`)
  const last = layout.key.map((_, at) => `(array_agg(k${at}))[count(*)]`)
  const [row] = await session.query<{ rows: number; last: Key; digest: string }>(
    `select count(*)::int as rows, array[${last.join(', ')}]::text[] as last, ${digestOfRows}
       from (select ${keys.join(', ')}, ${rowText(layout, origin)} as r
               from ${layout.sql}
              where ${inRange(layout, 'everywhere', after, null)}
              order by ${orderBy(layout, 'everywhere')}
              limit ${limit}) as ordered`,
  )
  const { rows = 0, digest = '' } = row ?? {}
  return { rows, last: rows === 0 ? null : (row?.last as Key), digest }
}

async function digestRange(
  session: Connection,
  layout: Layout,
  origin: Origin,
  after: Key | null,
  upto: Key | null,
): Promise<Digest> {
  const [found] = await session.query<Digest>(
    `select count(*)::int as rows, ${digestOfRows}
       from (select ${rowText(layout, origin)} as r
               from ${layout.sql}
              where ${inRange(layout, 'everywhere', after, upto)}
              order by ${orderBy(layout, 'everywhere')}) as ordered`,
  )
  return found as Digest
}

const digestOfRows = String.raw`md5(coalesce(string_agg(r, E'\n'), '')) as digest`

/** No index has the order in which all servers walk: each range would sort the whole table again. */
function isUnindexed({ key }: Layout): boolean {
  return key.some(({ order }) => order === 'text')
}

/** The ranges of a whole table, sorted once. */
async function digestWalk(
  session: Connection,
  layout: Layout,
  origin: Origin,
  limit: number,
): Promise<ReadonlyMap<string, RangeDigest>> {
  const keys = layout.key.map(({ sql }, at) => `concat(${sql}) as k${at}`)
  const last = layout.key.map((_, at) => `(array_agg(k${at} order by n))[count(*)]`)
  const ranges = await session.query<RangeDigest>(
    `select count(*)::int as rows, array[${last.join(', ')}] as last, md5(string_agg(r, E'\\n' order by n)) as digest
       from (select row_number() over (order by ${orderBy(layout, 'everywhere')}) - 1 as n,
                    ${keys.join(', ')}, ${rowText(layout, origin)} as r
               from ${layout.sql}) as ordered
      group by n / ${limit} order by min(n)`,
  )
  let after: Key | null = null
  const found = new Map<string, RangeDigest>()
  for (const range of ranges) {
    found.set(JSON.stringify(after), range)
    after = range.last
  }
  return found
}

async function digestEachRow(
  session: Connection,
  layout: Layout,
  origin: Origin,
  after: Key | null,
  upto: Key | null,
): Promise<RowDigest[]> {
  const key = layout.key.map(({ sql }) => `concat(${sql})`).join(', ')
  return session.query<RowDigest>(
    `select array[${key}] as key, ${columnDigests(layout, origin)} as columns
       from ${layout.sql}
      where ${inRange(layout, 'everywhere', after, upto)}
      order by ${orderBy(layout, 'everywhere')}`,
  )
}
