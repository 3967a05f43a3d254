import type { Connection } from '@imhotep/postgres'

/** How many rows every table of our schemas has, by its name; partitions count with their table. */
export async function countRows({ query }: Pick<Connection, 'query'>): Promise<Record<string, number>> {
  const tables = await query<{ name: string }>(`
    select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and not c.relispartition and n.nspname !~ '^(pg_|information_schema|public)' order by 1`)
  const counts: Record<string, number> = {}
  for (const { name } of tables) {
    const [row] = await query<{ rows: number }>(`select count(*)::int as rows from ${name}`)
    counts[name] = row?.rows ?? 0
  }
  return counts
}
