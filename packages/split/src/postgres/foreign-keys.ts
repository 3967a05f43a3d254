import type { Connection } from '@imhotep/postgres'
import type { TableName } from '../model.ts'
import type { OwnedForeignKey } from '../side.ts'
import { prepareBookkeeping } from './bookkeeping.ts'
import { withShortLocks } from './session.ts'
import { columnList, identifier, qualified } from './sql-text.ts'

/** See `Side.dropForeignKeys`. Their definitions are kept: a model of them may not hold all that they say. */
export async function dropForeignKeys(session: Connection, keys: readonly OwnedForeignKey[]): Promise<void> {
  await prepareBookkeeping(session)
  for (const key of keys) {
    const definition = await definitionOf(session, key)
    if (definition === null) continue
    await withShortLocks(session, async () => {
      await session.query(
        `insert into imhotep_split.dropped_keys values ($1, $2, $3, $4)
         on conflict (table_schema, table_name, name) do update set definition = excluded.definition`,
        [key.table.schema, key.table.name, key.name, definition],
      )
      await session.script(`alter table ${qualified(key.table)} drop constraint ${identifier(key.name)}`)
    })
  }
}

/** See `Side.restoreForeignKeys`. Writers wait for a moment only: the rows are checked behind it. */
export async function restoreForeignKeys(session: Connection, keys: readonly OwnedForeignKey[]): Promise<void> {
  await prepareBookkeeping(session)
  for (const key of keys) {
    const table = qualified(key.table)
    const definition = (await keptDefinition(session, key)) ?? printDefinition(key)
    // The hospital lives with rows that break it, or nobody ever looked.
    const wasUnchecked = /NOT (VALID|ENFORCED)$/.test(definition)
    if ((await definitionOf(session, key)) === null) {
      // Before version 18 a key of a partitioned table is checked at once or not made.
      const isPartitioned = await hasPartitions(session, key.table)
      const unchecked = isPartitioned || wasUnchecked ? '' : ' not valid'
      await withShortLocks(session, () =>
        session.script(`alter table ${table} add constraint ${identifier(key.name)} ${definition}${unchecked}`),
      )
    }
    if (!wasUnchecked) await session.script(`alter table ${table} validate constraint ${identifier(key.name)}`)
  }
}

async function definitionOf(session: Connection, { table, name }: OwnedForeignKey): Promise<string | null> {
  const [row] = await session.query<{ definition: string }>(
    `select pg_get_constraintdef(oid) as definition from pg_constraint
      where conrelid = to_regclass($1) and conname = $2 and contype = 'f'`,
    [qualified(table), name],
  )
  return row?.definition ?? null
}

async function keptDefinition(session: Connection, { table, name }: OwnedForeignKey): Promise<string | null> {
  const [row] = await session.query<{ definition: string }>(
    `select definition from imhotep_split.dropped_keys where table_schema = $1 and table_name = $2 and name = $3`,
    [table.schema, table.name, name],
  )
  return row?.definition ?? null
}

async function hasPartitions(session: Connection, table: TableName): Promise<boolean> {
  const [row] = await session.query(`select from pg_partitioned_table where partrelid = to_regclass($1)`, [
    qualified(table),
  ])
  return row !== undefined
}

function printDefinition({ columns, references, onDelete, onUpdate }: OwnedForeignKey): string {
  return (
    `foreign key (${columnList(columns)}) references ${qualified(references)} (${columnList(references.columns)}) ` +
    `on delete ${onDelete} on update ${onUpdate}`
  )
}
