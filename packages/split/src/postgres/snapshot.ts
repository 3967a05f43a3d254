import type { Connection } from '@imhotep/postgres'
import type { Key, MovedTable, Position } from '../model.ts'
import type { Chunk, RangeDigest, RowDigest, Snapshot } from '../side.ts'
import { countRows, lastRow } from './copy-text.ts'
import { columnDigests, rowText, type Origin } from './digest.ts'
import { inRange, orderBy } from './key-range.ts'
import { readLayout, type End, type Layout } from './layout.ts'
import { emitMark } from './position.ts'
import { openSession, withShortLocks } from './session.ts'
import { SnapshotSessions } from './snapshot-sessions.ts'

export interface SnapshotOptions {
  readonly end: End
  readonly origin: Origin
  readonly exact: boolean
}

const beginSnapshot = 'begin isolation level repeatable read read only'

/** Opens a view of the tables that stays as it is. See `Side.snapshot`. */
export async function openSnapshot(
  url: string,
  tables: readonly MovedTable[],
  options: SnapshotOptions,
): Promise<Snapshot> {
  const first = await openSession(url)
  try {
    const layouts = await readLayouts(first, tables, options.end)
    const position = options.exact ? await beginExact(url, first, layouts) : await beginAnywhere(first)
    const [exported] = await first.query<{ id: string }>('select pg_export_snapshot() as id')
    const sessions = new SnapshotSessions(first, async () => {
      const session = await openSession(url)
      await session.script(`${beginSnapshot}; set transaction snapshot '${exported?.id}'`)
      return session
    })
    return readFrom(sessions, position, (table) => layoutOf(layouts, table), options.origin)
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
 * While writers are kept out by a lock, everything they committed lies before the log's end and nothing else is visible: that
 * moment has a position. The lock is held for two round trips; the snapshot goes over to a session that reads at leisure.
 */
async function beginExact(url: string, reader: Connection, layouts: ReadonlyMap<string, Layout>): Promise<Position> {
  const names = [...layouts.values()].map(({ sql }) => sql)
  const locker = await openSession(url)
  try {
    return await withShortLocks(locker, async () => {
      if (names.length > 0) await locker.script(`lock table ${names.join(', ')} in share mode`)
      const [row] = await locker.query<{ id: string; position: string }>(
        'select pg_export_snapshot() as id, pg_current_wal_insert_lsn()::text as position',
      )
      await reader.script(`${beginSnapshot}; set transaction snapshot '${row?.id}'`)
      // So that a reader of the log comes past the position also when nobody writes.
      await locker.script('set local synchronous_commit = on')
      await emitMark(locker, 'snapshot')
      return row?.position as Position
    })
  } finally {
    await locker.release()
  }
}

function readFrom(
  sessions: SnapshotSessions,
  position: Position,
  layoutOf: (table: MovedTable) => Layout,
  origin: Origin,
): Snapshot {
  const digest = (table: MovedTable, after: Key | null, upto: Key | null, limit: number | null) =>
    sessions.use((session) => digestRows(session, layoutOf(table), origin, { after, upto, limit }))
  return {
    position,
    chunk: (table, after, limit) => sessions.use((session) => readChunk(session, layoutOf(table), after, limit)),
    digestNext: (table, after, limit) => digest(table, after, null, limit),
    digestRange: (table, after, upto) => digest(table, after, upto, null),
    rowDigests: (table, after, upto) =>
      sessions.use((session) => digestEachRow(session, layoutOf(table), origin, after, upto)),
    close: () => sessions.close(),
  }
}

async function readChunk(session: Connection, layout: Layout, after: Key | null, limit: number): Promise<Chunk> {
  const columns = layout.columns.map(({ sql }) => sql).join(', ')
  const pieces: Buffer[] = []
  const rows = session.copyTo(
    `copy (select ${columns} from ${layout.sql} where ${inRange(layout, 'index', after, null)}` +
      ` order by ${orderBy(layout, 'index')} limit ${limit}) to stdout`,
  )
  for await (const piece of rows) pieces.push(piece)
  const text = Buffer.concat(pieces)
  if (text.length === 0) return { rows: 0, text, last: null }
  const last = lastRow(text)
  return { rows: countRows(text), text, last: layout.keyAt.map((at) => last[at] as string) }
}

async function digestRows(
  session: Connection,
  layout: Layout,
  origin: Origin,
  range: { readonly after: Key | null; readonly upto: Key | null; readonly limit: number | null },
): Promise<RangeDigest> {
  const keys = layout.key.map(({ sql }, at) => `concat(${sql}) as k${at}`)
  const last = layout.key.map((_, at) => `(array_agg(k${at}))[count(*)]`)
  const [row] = await session.query<{ rows: number; last: Key; digest: string }>(
    `select count(*)::int as rows, array[${last.join(', ')}]::text[] as last,
            md5(coalesce(string_agg(r, E'\\n'), '')) as digest
       from (select ${keys.join(', ')}, ${rowText(layout, origin)} as r
               from ${layout.sql}
              where ${inRange(layout, 'everywhere', range.after, range.upto)}
              order by ${orderBy(layout, 'everywhere')}
              ${range.limit === null ? '' : `limit ${range.limit}`}) as ordered`,
  )
  const { rows = 0, digest = '' } = row ?? {}
  return { rows, last: rows === 0 ? null : (row?.last as Key), digest }
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
