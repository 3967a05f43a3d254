import { DatabaseError, type Connection } from '@imhotep/postgres'
import type { MovedTable } from '../model.ts'
import { TableBusyError } from '../postgres/errors.ts'
import { inTransaction, withSession } from '../postgres/session.ts'
import { identifier, qualified } from '../postgres/sql-text.ts'

/** Says of two versions of a row which one is younger. */
const youngerBy = 'updated_at'

/**
 * Carries what a service wrote into tables that every database has (number series, answered requests, keys) back to the
 * shared database: rows that it does not have, and younger versions of those that it has. Nothing is deleted.
 * @throws TableBusyError when clients hold rows of a table for longer than these seconds
 */
export async function returnCommon(
  ownUrl: string,
  sharedUrl: string,
  tables: readonly MovedTable[],
  seconds: number,
): Promise<void> {
  // A shared database of another kind has none.
  if (tables.length === 0) return
  await withSession(ownUrl, (own) =>
    withSession(sharedUrl, (shared) =>
      // No trigger may fire: it would make every row the youngest.
      inTransaction(
        shared,
        async () => {
          try {
            for (const table of tables) await returnTable(own, shared, table)
          } catch (error) {
            if (!(error instanceof DatabaseError) || error.sqlstate !== '55P03') throw error
            throw new TableBusyError(seconds, { cause: error })
          }
        },
        `begin; set local session_replication_role = replica; set local lock_timeout = '${seconds}s'`,
      ),
    ),
  )
}

async function returnTable(own: Connection, shared: Connection, table: MovedTable): Promise<void> {
  const columns = table.columns.map(({ name }) => identifier(name)).join(', ')
  const others = table.columns.filter(({ name }) => !table.key.includes(name)).map(({ name }) => identifier(name))
  const target = qualified(table.source)
  const incoming = `pg_temp.${identifier(`imhotep_${table.source.name}`)}`
  await shared.script(
    `create temporary table ${incoming.replace('pg_temp.', '')} on commit drop as select ${columns} from ${target} with no data`,
  )
  await shared.copyFrom(
    `copy ${incoming} (${columns}) from stdin`,
    own.copyTo(`copy (select ${columns} from ${qualified(table.target)}) to stdout`),
  )
  const isDated = table.columns.some(({ name }) => name === youngerBy)
  const action = isDated
    ? `update set ${others.map((name) => `${name} = excluded.${name}`).join(', ')} where r.${youngerBy} < excluded.${youngerBy}`
    : 'nothing'
  await shared.script(
    `insert into ${target} as r (${columns}) select ${columns} from ${incoming}
     on conflict (${table.key.map(identifier).join(', ')}) do ${action}`,
  )
}
