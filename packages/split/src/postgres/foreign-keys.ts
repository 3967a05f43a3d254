import { DatabaseError, type Connection } from '@imhotep/postgres'
import { OrphanRowsError } from '../errors.ts'
import type { TableName } from '../model.ts'
import type { OwnedForeignKey } from '../side.ts'
import { prepareBookkeeping } from './bookkeeping.ts'
import { countOrphans } from './orphans.ts'
import { withShortLocks } from './session.ts'
import { columnList, identifier, qualified, withPartitions } from './sql-text.ts'

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

/**
 * See `Side.restoreForeignKeys`. Writers wait for a moment only: the rows are checked behind it, partition by partition, since
 * before version 18 a key of a partitioned table takes over what its partitions have checked, or checks all at once.
 * @throws OrphanRowsError when the rows of a key are gone; the other keys are put back
 */
export async function restoreForeignKeys(session: Connection, keys: readonly OwnedForeignKey[]): Promise<void> {
  await prepareBookkeeping(session)
  let failure: unknown
  for (const key of keys) {
    const definition = (await keptDefinition(session, key)) ?? printDefinition(key)
    try {
      // The hospital lives with rows that break it, or nobody ever looked.
      if (/NOT (VALID|ENFORCED)$/.test(definition)) await addKey(session, key, key.table, definition)
      else {
        for (const partition of await leavesOf(session, key.table))
          await addChecked(session, key, partition, definition)
        await addKey(session, key, key.table, definition)
      }
    } catch (error) {
      failure ??= error
    }
  }
  if (failure) throw failure
}

async function addChecked(
  session: Connection,
  key: OwnedForeignKey,
  table: TableName,
  definition: string,
): Promise<void> {
  await addKey(session, key, table, `${definition} not valid`)
  try {
    await session.script(`alter table ${qualified(table)} validate constraint ${identifier(key.name)}`)
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.sqlstate !== '23503') throw error
    throw new OrphanRowsError(key.table, key.name, await countOrphans(session, key))
  }
}

/** Unless it is there. */
async function addKey(session: Connection, key: OwnedForeignKey, table: TableName, definition: string): Promise<void> {
  if ((await definitionOf(session, { ...key, table })) !== null) return
  await withShortLocks(session, () =>
    session.script(`alter table ${qualified(table)} add constraint ${identifier(key.name)} ${definition}`),
  )
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

/** The table itself, or where the rows of a partitioned one are. */
function leavesOf(session: Connection, table: TableName): Promise<TableName[]> {
  return session.query<TableName>(
    `select n.nspname as schema, c.relname as name
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind = 'r'
        and c.oid in (select oid from ${withPartitions('$1')} p)
      order by c.oid`,
    [qualified(table)],
  )
}

function printDefinition({ columns, references, onDelete, onUpdate }: OwnedForeignKey): string {
  return (
    `foreign key (${columnList(columns)}) references ${qualified(references)} (${columnList(references.columns)}) ` +
    `on delete ${onDelete} on update ${onUpdate}`
  )
}
