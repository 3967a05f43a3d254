import type { Connection } from '@imhotep/postgres'
import type { Key, MovedTable } from '../model.ts'
import type { Chunk } from '../side.ts'
import { prepareBookkeeping } from './bookkeeping.ts'
import { indexTerms } from './key-range.ts'
import { readLayout, type Layout } from './layout.ts'
import { inTransaction, withShortLocks } from './session.ts'
import { qualified } from './sql-text.ts'

const orderIndexPrefix = 'imhotep_split_order_'

export interface Loaded {
  readonly rows: number
  readonly last: Key | null
  readonly complete: boolean
}

/** See `ServiceDatabase.load`: rows and the note of their end are one transaction. No trigger fires. */
export async function loadChunk(session: Connection, table: MovedTable, chunk: Chunk): Promise<void> {
  await prepareBookkeeping(session)
  const layout = await readLayout(session, table, 'target')
  const { sql, columns, oid } = layout
  await inTransaction(
    session,
    async () => {
      if (chunk.rows > 0) {
        await session.copyFrom(`copy ${sql} (${columns.map((column) => column.sql).join(', ')}) from stdin`, [
          chunk.text,
        ])
      }
      if (chunk.last === null) await makeOrderIndex(session, layout)
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

/** Ranges of keys are compared in an order that no index of a text key has: this one spares a scan of the table for each. */
async function makeOrderIndex(session: Connection, layout: Layout): Promise<void> {
  if (!layout.key.some(({ order }) => order === 'text')) return
  await session.script(
    `create index if not exists ${orderIndexPrefix}${layout.oid} on ${layout.sql} (${indexTerms(layout)})`,
  )
}

/** Drops the indexes that comparing needed. */
export async function dropOrderIndexes(session: Connection): Promise<void> {
  const indexes = await session.query<{ name: string }>(
    `select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('i', 'I') and c.relname ~ $1 and not c.relispartition`,
    [`^${orderIndexPrefix}\\d+$`],
  )
  for (const { name } of indexes) await withShortLocks(session, () => session.script(`drop index if exists ${name}`))
}

export async function readLoaded(session: Connection, { target }: MovedTable): Promise<Loaded> {
  await prepareBookkeeping(session)
  const [row] = await session.query<Loaded>(
    `select rows, last_key as last, complete from imhotep_split.loaded where table_oid = to_regclass($1)::oid`,
    [qualified(target)],
  )
  return row ?? { rows: 0, last: null, complete: false }
}
