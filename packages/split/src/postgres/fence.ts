import type { Connection } from '@imhotep/postgres'
import type { MovedTable, Position } from '../model.ts'
import { prepareBookkeeping } from './bookkeeping.ts'
import { readLayout, type End, type Layout } from './layout.ts'
import { emitMark, insertPosition } from './position.ts'
import { withShortLocks } from './session.ts'
import { literal, qualified } from './sql-text.ts'

const trigger = 'imhotep_split_fence'

/** See `Side.fence`: one transaction, so that there is a whole fence or none. A partition can be written to by its own name. */
export async function fenceTables(
  session: Connection,
  name: string,
  tables: readonly MovedTable[],
  end: End,
): Promise<Position> {
  await prepareBookkeeping(session)
  const layouts: Layout[] = []
  for (const table of tables) layouts.push(await readLayout(session, table, end))
  const all = layouts.flatMap((layout) => layout.all)
  const open = await withoutFence(session, all)
  return withShortLocks(session, async () => {
    if (open.length > 0) {
      await cancelAutovacuum(session, open)
      await session.script(`lock table ${layouts.map(({ sql }) => sql).join(', ')} in share row exclusive mode`)
      await session.script(
        open
          .map(
            (table) =>
              `create or replace trigger ${trigger} before insert or update or delete or truncate on ${table} ` +
              `for each statement execute function imhotep_split.refuse(${literal(name)})`,
          )
          .join(';'),
      )
    }
    // Whoever wrote before has committed by now; so that a reader of the log comes past it also when nobody writes.
    const position = await insertPosition(session)
    await session.script('set local synchronous_commit = on')
    await emitMark(session, 'fence')
    return position
  })
}

/** See `Side.unfence`. */
export async function unfenceTables(session: Connection, tables: readonly MovedTable[], end: End): Promise<void> {
  const fenced = await session.query<{ table: string }>(
    `select format('%I.%I', n.nspname, c.relname) as table
       from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
      where t.tgname = $1
        and (c.oid = any (select to_regclass(name)::oid from unnest($2::text[]) name)
             or exists (select from pg_partition_ancestors(c.oid) a
                         where a.relid = any (select to_regclass(name)::oid from unnest($2::text[]) name)))
      order by c.oid`,
    [trigger, tables.map((table) => qualified(table[end]))],
  )
  if (fenced.length === 0) return
  await withShortLocks(session, async () => {
    await session.script(fenced.map(({ table }) => `drop trigger if exists ${trigger} on ${table}`).join(';'))
  })
}

async function withoutFence(session: Connection, tables: readonly string[]): Promise<string[]> {
  const rows = await session.query<{ table: string }>(
    `select name as table from unnest($1::text[]) name
      where not exists (select from pg_trigger where tgrelid = to_regclass(name)::oid and tgname = $2)`,
    [tables, trigger],
  )
  return rows.map(({ table }) => table)
}

/** It steps back by itself, but only after longer than we wait for a lock. */
async function cancelAutovacuum(session: Connection, tables: readonly string[]): Promise<void> {
  await session.query(
    `select pg_cancel_backend(a.pid) from pg_stat_activity a join pg_locks l on l.pid = a.pid
      where a.backend_type = 'autovacuum worker' and l.granted and l.locktype = 'relation'
        and l.relation = any (select to_regclass(name)::oid from unnest($1::text[]) name)`,
    [tables],
  )
}
