import type { Connection, Transaction } from '@imhotep/postgres'
import type { MovedTable, Position, TableName } from '../model.ts'
import type { Patience } from '../side.ts'
import { prepareBookkeeping } from './bookkeeping.ts'
import { readLayout, type End } from './layout.ts'
import { endOfLog } from './position.ts'
import { withShortLocks, type ShortLocksOptions } from './session.ts'
import { literal, qualified } from './sql-text.ts'

const trigger = 'imhotep_split_fence'

/**
 * See `Side.fence`. Table by table: a lock on several at once would wait for clients that take them in another order. A
 * client in between fails as a whole. When one table cannot be had, the fence is taken away again.
 */
export async function fenceTables(
  session: Connection,
  name: string,
  tables: readonly MovedTable[],
  end: End,
  patience: Patience = {},
): Promise<Position> {
  const since = Date.now()
  await prepareBookkeeping(session)
  const all: string[] = []
  // A partition can be written to by its own name.
  for (const table of tables) all.push(...(await readLayout(session, table, end)).all)
  const open = await withoutFence(session, all)
  try {
    const { onAttempt, ...others } = patience
    // Clients stand still from the first table on.
    for (const [at, table] of open.entries()) {
      await fenceTable(session, name, table, { ...others, since, ...(at === 0 && onAttempt && { onAttempt }) })
    }
  } catch (error) {
    await dropTriggers(session, trigger, open)
    throw error
  }
  // Whoever wrote before has committed by now.
  return endOfLog(session)
}

/** Those of the tables that have a fence. */
export function fencedTables(db: Transaction, tables: readonly TableName[]): Promise<TableName[]> {
  return db.query<TableName>(
    `select n.nspname as schema, c.relname as name
       from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
      where t.tgname = $1 and t.tgenabled in ('O', 'A') and c.oid in (select to_regclass(name)::oid from unnest($2::text[]) name)`,
    [trigger, tables.map(qualified)],
  )
}

async function fenceTable(session: Connection, name: string, table: string, options: ShortLocksOptions): Promise<void> {
  const fence = async () => {
    options.onAttempt?.()
    await cancelAutovacuum(session, table)
    await session.script(
      `create or replace trigger ${trigger} before insert or update or delete or truncate on ${table} ` +
        `for each statement execute function imhotep_split.refuse(${literal(name)})`,
    )
  }
  await withShortLocks(session, fence, options)
}

/** See `Side.unfence`. */
export async function unfenceTables(session: Connection, tables: readonly MovedTable[], end: End): Promise<void> {
  const fenced = await session.query<{ table: string }>(
    `select format('%I.%I', n.nspname, c.relname) as table
       from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
      where t.tgname = $1
        and exists (select from unnest($2::text[]) name
                     where to_regclass(name)::oid = c.oid
                        or to_regclass(name) in (select relid from pg_partition_ancestors(c.oid)))`,
    [trigger, tables.map((table) => qualified(table[end]))],
  )
  await dropTriggers(
    session,
    trigger,
    fenced.map(({ table }) => table),
  )
}

/**
 * Lets clients in. A trigger can be dropped only when nobody reads its table, and a report may read it for an hour: there it
 * is disabled. A table that is locked keeps no other one closed: those that can be had at once come first.
 */
export async function dropTriggers(
  session: Connection,
  trigger: string,
  tables: readonly string[],
  since = Date.now(),
): Promise<void> {
  let failure: unknown
  let left = tables
  for (const patience of [{ seconds: 0 }, { since }]) {
    failure = undefined
    const waiting: string[] = []
    for (const table of left) {
      await openTable(session, trigger, table, patience).catch((error: unknown) => {
        waiting.push(table)
        failure ??= error
      })
    }
    left = waiting
  }
  if (failure) throw failure
}

async function openTable(
  session: Connection,
  trigger: string,
  table: string,
  patience: ShortLocksOptions,
): Promise<void> {
  const run = (sql: string) => () => session.script(sql)
  await withShortLocks(session, run(`drop trigger if exists ${trigger} on ${table}`), { seconds: 0 }).catch(() =>
    withShortLocks(session, run(`alter table ${table} disable trigger ${trigger}`), patience),
  )
}

async function withoutFence(session: Connection, tables: readonly string[]): Promise<string[]> {
  const rows = await session.query<{ table: string }>(
    `select name as table from unnest($1::text[]) name
      where not exists (select from pg_trigger where tgrelid = to_regclass(name)::oid and tgname = $2 and tgenabled <> 'D')`,
    [tables, trigger],
  )
  return rows.map(({ table }) => table)
}

/** Clients stand still: it goes at once, also one against wraparound, which does not step back by itself. */
async function cancelAutovacuum(session: Connection, table: string): Promise<void> {
  await session.query(
    `select pg_cancel_backend(a.pid) from pg_stat_activity a join pg_locks l on l.pid = a.pid
      where a.backend_type = 'autovacuum worker' and l.granted and l.locktype = 'relation'
        and l.relation = to_regclass($1)`,
    [table],
  )
}
