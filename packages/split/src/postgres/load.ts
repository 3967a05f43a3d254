import type { Connection } from '@imhotep/postgres'
import { tableId, type Key, type MovedTable } from '../model.ts'
import type { Chunk } from '../side.ts'
import { prepareBookkeeping } from './bookkeeping.ts'
import { indexTerms } from './key-range.ts'
import { readLayout, type Layout } from './layout.ts'
import { dropIndexes } from './own-indexes.ts'
import type { SessionPool } from './session-pool.ts'
import { inTransaction, type ShortLocksOptions } from './session.ts'
import { isSame } from './row-statements.ts'
import { identifier, literal, qualified } from './sql-text.ts'

const orderIndexPrefix = 'imhotep_split_order_'

export interface Loaded {
  readonly rows: number
  readonly last: Key | null
  readonly complete: boolean
}

/** See `ServiceDatabase.load`. */
export class Loader {
  readonly #sessions: SessionPool
  /** The load of each table that was asked for last and has not ended. */
  readonly #underWay = new Map<string, Promise<void>>()

  constructor(sessions: SessionPool) {
    this.#sessions = sessions
  }

  load(table: MovedTable, chunk: Chunk, { besideLog = false }: { readonly besideLog?: boolean } = {}): Promise<void> {
    const name = tableId(table.target)
    const earlier = this.#underWay.get(name) ?? Promise.resolve()
    const load = this.#sessions
      .use((session) => loadChunk(session, table, chunk, { earlier, besideLog }))
      .finally(() => {
        if (this.#underWay.get(name) === load) this.#underWay.delete(name)
      })
    this.#underWay.set(name, load)
    return load
  }
}

/** Rows and the note of their end are one transaction. No trigger fires. */
async function loadChunk(
  session: Connection,
  table: MovedTable,
  chunk: Chunk,
  { earlier, besideLog }: { readonly earlier: Promise<void>; readonly besideLog: boolean },
): Promise<void> {
  await prepareBookkeeping(session)
  const { layout, independent, ...before } = await look(session, table)
  if (chunk.last === null || !independent) await earlier
  // what was waited for may have been the first chunk
  const begun = before.begun || (await look(session, table)).begun
  const { oid } = layout
  await inTransaction(
    session,
    async () => {
      if (chunk.rows > 0) {
        if (!begun) await putKeyOff(session, layout)
        await (besideLog ? addMissing : copyRows)(session, layout, chunk)
      }
      if (chunk.last === null) {
        await makeKey(session, layout)
        await makeOrderIndex(session, layout)
      }
      await earlier
      await session.query(
        `insert into imhotep_split.loaded as l values ($1, $2, $3, $4, $5, $6)
         on conflict (table_schema, table_name) do update
           set rows = excluded.rows + case when l.table_oid = excluded.table_oid then l.rows else 0 end,
               last_key = coalesce(excluded.last_key, case when l.table_oid = excluded.table_oid then l.last_key end),
               complete = excluded.complete, table_oid = excluded.table_oid`,
        [table.target.schema, table.target.name, oid, chunk.rows, chunk.last, chunk.last === null],
      )
    },
    // Losing the last transactions in a crash is no harm: their notes are lost with them.
    'begin; set local session_replication_role = replica; set local synchronous_commit = off',
  )
}

async function copyRows(session: Connection, { sql, columns }: Layout, { format, data }: Chunk): Promise<void> {
  await session.copyFrom(`copy ${sql} (${namesOf(columns)}) from stdin (format ${format})`, [data])
}

async function addMissing(session: Connection, layout: Layout, chunk: Chunk): Promise<void> {
  const { sql, columns, key } = layout
  const names = namesOf(columns)
  const come = 'pg_temp.imhotep_split_chunk'
  await session.script(
    `create temporary table imhotep_split_chunk on commit drop as select ${names} from ${sql} with no data`,
  )
  await copyRows(session, { ...layout, sql: come }, chunk)
  const isThere = key.map((column) => isSame(column, `c.${column.sql}::text`)).join(' and ')
  await session.script(
    `insert into ${sql} (${names}) overriding system value
       select ${names} from ${come} c where not exists (select from ${sql} t where ${isThere})`,
  )
}

const namesOf = (columns: Layout['columns']) => columns.map(({ sql }) => sql).join(', ')

/** Tables that a session has loaded rows into, as they were then: to look all of it up again takes a tenth of a load. */
const known = new WeakMap<Connection, Map<MovedTable, Layout>>()

interface Found {
  readonly layout: Layout
  /** A chunk is there. */
  readonly begun: boolean
  /** The rows of one transaction never wait for those of another: no index forbids the same value twice. */
  readonly independent: boolean
}

async function look(session: Connection, table: MovedTable): Promise<Found> {
  const [now] = await session.query<{ oid: number | null; begun: boolean; independent: boolean }>(
    `select t.oid, exists (select from imhotep_split.loaded l where l.table_oid = t.oid) as begun,
            not exists (select from pg_index i where i.indrelid = t.oid and (i.indisunique or i.indisexclusion)) as independent
       from (select to_regclass($1)::oid::int8 as oid) t`,
    [qualified(table.target)],
  )
  const layouts = known.get(session) ?? new Map<MovedTable, Layout>()
  known.set(session, layouts)
  let layout = layouts.get(table)
  if (!layout || layout.oid !== now?.oid) layout = await readLayout(session, table, 'target')
  layouts.set(table, layout)
  return { layout, begun: now?.begun ?? false, independent: now?.independent ?? false }
}

/**
 * Before the first chunk the primary key is noted and dropped: to build it when all rows are there takes a third of what it
 * takes to keep it. One that something else needs, and that of a partitioned table, stays.
 */
async function putKeyOff(session: Connection, { oid, sql }: Layout): Promise<void> {
  const [key] = await session.query<{ name: string; definition: string }>(
    `select c.conname as name, format('add constraint %I %s', c.conname, pg_get_constraintdef(c.oid)) as definition
       from pg_constraint c join pg_class t on t.oid = c.conrelid
       join pg_class x on x.oid = c.conindid join pg_index i on i.indexrelid = x.oid
      where c.conrelid = $1 and c.contype = 'p' and t.relkind = 'r' and not t.relispartition
        and x.reloptions is null and x.reltablespace = 0 and not i.indisreplident and not i.indisclustered
        and not exists (select from pg_depend d
                         where d.deptype = 'n' and (d.refclassid = 'pg_constraint'::regclass and d.refobjid = c.oid
                                                    or d.refclassid = 'pg_class'::regclass and d.refobjid = x.oid))`,
    [oid],
  )
  if (!key) return
  await session.query(
    `insert into imhotep_split.later_keys values ($1, $2)
     on conflict (table_oid) do update set definition = excluded.definition`,
    [oid, key.definition],
  )
  await session.script(`alter table ${sql} drop constraint ${identifier(key.name)}`)
}

async function makeKey(session: Connection, { oid, sql }: Layout): Promise<void> {
  const keys = await session.query<{ definition: string }>(
    'delete from imhotep_split.later_keys where table_oid = $1 returning definition',
    [oid],
  )
  for (const { definition } of keys) await session.script(`alter table ${sql} ${definition}`)
}

/** See `ServiceDatabase.makeKeys`. */
export async function makeKeys(session: Connection, tables: readonly MovedTable[]): Promise<void> {
  await prepareBookkeeping(session)
  for (const table of tables) {
    const layout = await readLayout(session, table, 'target')
    await inTransaction(session, () => makeKey(session, layout))
  }
}

/** See `ServiceDatabase.clear`. */
export async function clearTable(session: Connection, { target }: MovedTable): Promise<void> {
  await prepareBookkeeping(session)
  await session.script(
    `begin; set local session_replication_role = replica; delete from ${qualified(target)};
     delete from imhotep_split.loaded where table_oid = ${literal(qualified(target))}::regclass; commit`,
  )
}

/** Ranges of keys are compared in an order that no index of a text key has: this one spares a scan of the table for each. */
async function makeOrderIndex(session: Connection, layout: Layout): Promise<void> {
  if (!layout.key.some(({ order }) => order === 'text')) return
  await session.script(
    `create index if not exists ${orderIndexPrefix}${layout.oid} on ${layout.sql} (${indexTerms(layout)})`,
  )
}

/** Drops the indexes that comparing needed. */
export async function dropOrderIndexes(session: Connection, options?: ShortLocksOptions): Promise<void> {
  await dropIndexes(session, `^${orderIndexPrefix}\\d+$`, options)
}

export async function readLoaded(session: Connection, { target }: MovedTable): Promise<Loaded> {
  await prepareBookkeeping(session)
  const [row] = await session.query<Loaded>(
    `select rows, last_key as last, complete from imhotep_split.loaded where table_oid = to_regclass($1)::oid`,
    [qualified(target)],
  )
  return row ?? { rows: 0, last: null, complete: false }
}
