import type { Connection } from '@imhotep/postgres'
import type { Key, MovedTable } from '../model.ts'
import type { Chunk } from '../side.ts'
import { prepareBookkeeping } from './bookkeeping.ts'
import { readLayout } from './layout.ts'
import { inTransaction } from './session.ts'

export interface Loaded {
  readonly rows: number
  readonly last: Key | null
  readonly complete: boolean
}

/** See `ServiceDatabase.load`: rows and the note of their end are one transaction. No trigger fires. */
export async function loadChunk(session: Connection, table: MovedTable, chunk: Chunk): Promise<void> {
  await prepareBookkeeping(session)
  const { sql, columns } = await readLayout(session, table, 'target')
  await inTransaction(
    session,
    async () => {
      if (chunk.rows > 0) {
        await session.copyFrom(`copy ${sql} (${columns.map((column) => column.sql).join(', ')}) from stdin`, [
          chunk.text,
        ])
      }
      await session.query(
        `insert into imhotep_split.loaded as l values ($1, $2, $3, $4, $5)
         on conflict (table_schema, table_name) do update
           set rows = l.rows + excluded.rows, last_key = coalesce(excluded.last_key, l.last_key),
               complete = excluded.complete`,
        [table.target.schema, table.target.name, chunk.rows, chunk.last, chunk.last === null],
      )
    },
    // Losing the last transactions in a crash is no harm: their notes are lost with them.
    'begin; set local session_replication_role = replica; set local synchronous_commit = off',
  )
}

export async function readLoaded(session: Connection, { target }: MovedTable): Promise<Loaded> {
  await prepareBookkeeping(session)
  const [row] = await session.query<Loaded>(
    `select rows, last_key as last, complete from imhotep_split.loaded where table_schema = $1 and table_name = $2`,
    [target.schema, target.name],
  )
  return row ?? { rows: 0, last: null, complete: false }
}
