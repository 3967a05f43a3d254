import type { Connection } from '@imhotep/postgres'
import type { MovedTable } from '../model.ts'
import { prepareBookkeeping } from './bookkeeping.ts'
import { dropTriggers } from './fence.ts'
import type { End } from './layout.ts'
import { withShortLocks } from './session.ts'
import { qualified, withPartitions } from './sql-text.ts'

const [before, after, onParts] = ['imhotep_split_truncate', 'imhotep_split_truncated', 'imhotep_split_partitions']

/**
 * Has TRUNCATE of a single partition refused from now on, also of those that are made later: the log, which knows the
 * partitioned table only, does not tell of it. That of the whole table goes on. Twice is once.
 */
export async function guardPartitions(session: Connection, tables: readonly MovedTable[], end: End): Promise<void> {
  const names = tables.map((table) => qualified(table[end]))
  const roots = await partitions(session, names, `t.level = 0 and c.relkind = 'p'`)
  if (roots.length === 0) return
  await prepareBookkeeping(session)
  await session.script(
    `begin; drop event trigger if exists ${onParts};
     create event trigger ${onParts} on ddl_command_end when tag in ('CREATE TABLE', 'ALTER TABLE')
       execute function imhotep_split.guard_partitions(); commit`,
  )
  const create = (name: string, trigger: string, when: string) =>
    withShortLocks(session, () =>
      session.script(
        `create or replace trigger ${trigger} ${when} truncate on ${name} ` +
          'for each statement execute function imhotep_split.tell_truncate()',
      ),
    )
  // First what opens the way: in between the whole table can be emptied all the same.
  for (const name of roots) {
    await create(name, before, 'before')
    await create(name, after, 'after')
  }
  for (const name of await partitions(session, names, 't.level > 0')) await create(name, before, 'before')
}

/** Quoted names of the tables, and of their partitions on all levels, that are as the condition says. */
async function partitions(session: Connection, names: readonly string[], condition: string): Promise<string[]> {
  const found = await session.query<{ name: string }>(
    `select format('%I.%I', n.nspname, c.relname) as name
       from unnest($1::text[]) w cross join lateral ${withPartitions('w')} t
       join pg_class c on c.oid = t.oid join pg_namespace n on n.oid = c.relnamespace
      where ${condition}
      order by t.level`,
    [names],
  )
  return found.map(({ name }) => name)
}

/** Of all tables of the database. */
export async function dropPartitionGuards(session: Connection, since: number): Promise<void> {
  await session.script(`drop event trigger if exists ${onParts}`)
  const guarded = await session.query<{ trigger: string; table: string }>(
    `select t.tgname as trigger, format('%I.%I', n.nspname, c.relname) as table
       from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
      where t.tgname = any ($1) and not t.tgisinternal
      order by c.relispartition desc`,
    [[before, after]],
  )
  for (const trigger of [before, after]) {
    await dropTriggers(
      session,
      trigger,
      guarded.filter((one) => one.trigger === trigger).map(({ table }) => table),
      since,
    )
  }
}
