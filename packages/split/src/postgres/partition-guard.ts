import type { Connection } from '@imhotep/postgres'
import type { MovedTable } from '../model.ts'
import { prepareBookkeeping } from './bookkeeping.ts'
import { dropTriggers } from './fence.ts'
import type { End } from './layout.ts'
import { withShortLocks } from './session.ts'
import { qualified, withPartitions } from './sql-text.ts'

const [before, after] = ['imhotep_split_truncate', 'imhotep_split_truncated']

/**
 * Has TRUNCATE of a single partition refused from now on: the log, which knows the partitioned table only, does not tell of
 * it. That of the whole table goes on. Twice is once.
 */
export async function guardPartitions(session: Connection, tables: readonly MovedTable[], end: End): Promise<void> {
  const found = await session.query<{ name: string; isPart: boolean }>(
    `select format('%I.%I', n.nspname, c.relname) as name, t.level > 0 as "isPart"
       from unnest($1::text[]) w cross join lateral ${withPartitions('w')} t
       join pg_class c on c.oid = t.oid join pg_namespace n on n.oid = c.relnamespace
      order by t.level`,
    [tables.map((table) => qualified(table[end]))],
  )
  const roots = found.filter(({ isPart }) => !isPart)
  const parts = found.filter(({ isPart }) => isPart)
  if (parts.length === 0) return
  await prepareBookkeeping(session)
  const create = (name: string, trigger: string, when: string) =>
    withShortLocks(session, () =>
      session.script(
        `create or replace trigger ${trigger} ${when} truncate on ${name} ` +
          'for each statement execute function imhotep_split.tell_truncate()',
      ),
    )
  // First what opens the way: in between the whole table can be emptied all the same.
  for (const { name } of roots) {
    await create(name, before, 'before')
    await create(name, after, 'after')
  }
  for (const { name } of parts) await create(name, before, 'before')
}

/** Of all tables of the database. */
export async function dropPartitionGuards(session: Connection, since: number): Promise<void> {
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
