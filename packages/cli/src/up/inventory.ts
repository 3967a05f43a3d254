import type { Transaction } from '@imhotep/postgres'

/** What one module put into the database. */
export interface ModuleInventory {
  readonly module: string
  readonly tables: number
  readonly policies: number
  readonly views: number
  readonly functions: number
}

const QUERY = `
select
  n.nspname as schema,
  (select count(*) from pg_class c where c.relnamespace = n.oid and c.relkind in ('r', 'p') and not c.relispartition) as tables,
  (select count(*) from pg_policy p join pg_class c on c.oid = p.polrelid where c.relnamespace = n.oid and not c.relispartition) as policies,
  (select count(*) from pg_class c where c.relnamespace = n.oid and c.relkind in ('v', 'm')) as views,
  (select count(*) from pg_proc f where f.pronamespace = n.oid) as functions
from pg_namespace n
where n.nspname = any($1::text[])`

/** Counts the objects of each module; a partition counts as part of its table. Modules in the order given. */
export async function takeInventory(
  db: Transaction,
  modules: readonly { readonly name: string; readonly schema: string }[],
): Promise<ModuleInventory[]> {
  const rows = await db.query<{ schema: string } & Record<'tables' | 'policies' | 'views' | 'functions', number>>(
    QUERY,
    [modules.map(({ schema }) => schema)],
  )
  return modules.flatMap(({ name, schema }) => {
    const row = rows.find((candidate) => candidate.schema === schema)
    if (row === undefined) return []
    const { tables, policies, views, functions } = row
    return [{ module: name, tables, policies, views, functions }]
  })
}
