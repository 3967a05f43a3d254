import type { Connection } from '@imhotep/postgres'
import type { TableName } from '../model.ts'
import type { Orphans, OwnedForeignKey } from '../side.ts'
import { identifier, qualified } from './sql-text.ts'

interface Link {
  readonly table: TableName
  readonly name: string
  readonly columns: readonly string[]
  readonly references: TableName & { readonly columns: readonly string[] }
}

/** Foreign keys of all tables; those of partitions stand for their table. */
const keysQuery = `
  select json_build_object('schema', n.nspname, 'name', c.relname) as table, k.conname as name,
         (select json_agg(a.attname order by o) from unnest(k.conkey) with ordinality x(num, o)
            join pg_attribute a on a.attrelid = k.conrelid and a.attnum = x.num) as columns,
         json_build_object('schema', rn.nspname, 'name', r.relname, 'columns',
           (select json_agg(a.attname order by o) from unnest(k.confkey) with ordinality x(num, o)
              join pg_attribute a on a.attrelid = k.confrelid and a.attnum = x.num)) as references
    from pg_constraint k
    join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
    join pg_class r on r.oid = k.confrelid join pg_namespace rn on rn.oid = r.relnamespace
   where k.contype = 'f' and k.conparentid = 0 and n.nspname not in ('pg_catalog', 'information_schema')
   order by 1::text, 2`

/** Rows whose foreign key leads nowhere: of the keys that exist, and of `expected` ones that are still to be made. */
export async function findOrphans(session: Connection, expected: readonly OwnedForeignKey[]): Promise<Orphans[]> {
  const links = new Map<string, Link>()
  for (const link of [...expected, ...(await session.query<Link>(keysQuery))]) {
    links.set(JSON.stringify([link.table.schema, link.table.name, link.name]), link)
  }
  return orphansOf(session, [...links.values()])
}

/** See `Side.orphansOf`. */
export async function orphansOf(session: Connection, links: readonly Link[]): Promise<Orphans[]> {
  const found: Orphans[] = []
  for (const link of links) {
    const rows = await countOrphans(session, link)
    if (rows > 0) found.push({ table: link.table, constraint: link.name, rows })
  }
  return found
}

/** Rows that point to nothing by this key. */
export async function countOrphans(session: Connection, { table, columns, references }: Link): Promise<number> {
  const isSet = columns.map((column) => `c.${identifier(column)} is not null`).join(' and ')
  const isSame = columns
    .map((column, at) => `p.${identifier(references.columns[at] as string)} = c.${identifier(column)}`)
    .join(' and ')
  const [row] = await session.query<{ rows: number }>(
    `select count(*)::int8 as rows from ${qualified(table)} c
      where ${isSet} and not exists (select from ${qualified(references)} p where ${isSame})`,
  )
  return row?.rows ?? 0
}
