import type { Connection } from '@imhotep/postgres'
import { withShortLocks, type ShortLocksOptions } from './session.ts'

/**
 * Drops indexes that a move has made, in whatever schema: those whose name is as the regular expression says. It waits for all
 * of them together, and one that cannot be had keeps no other one.
 */
export async function dropIndexes(
  session: Connection,
  pattern: string,
  { since = Date.now(), ...options }: ShortLocksOptions = {},
): Promise<void> {
  const indexes = await session.query<{ name: string }>(
    `select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('i', 'I') and c.relname ~ $1 and not c.relispartition`,
    [pattern],
  )
  let failure: unknown
  for (const { name } of indexes) {
    await withShortLocks(session, () => session.script(`drop index if exists ${name}`), { ...options, since }).catch(
      (error: unknown) => (failure ??= error),
    )
  }
  if (failure) throw failure
}
