import type { Transaction } from '@imhotep/postgres'
import type { TableSize } from './decision.ts'

/** How large tables (`schema.table`) are, largest first; those that the database does not have are left out. */
export async function tableSizes(connection: Transaction, tables: readonly string[]): Promise<TableSize[]> {
  if (tables.length === 0) return []
  const rows = await connection.query<{ table: string; rows: number; bytes: number }>(
    `select n.nspname || '.' || c.relname as "table", c.reltuples::int8 as rows, pg_total_relation_size(c.oid) as bytes
     from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where n.nspname || '.' || c.relname = any($1::text[]) and c.relkind in ('r', 'p', 'm')
     order by bytes desc, "table"`,
    [tables],
  )
  return rows.map((row) => ({ ...row, rows: row.rows < 0 ? null : row.rows }))
}

/** The tables that objects (`table a.b`, `column a.b.c`, `index i on a.b`, `a.b.c`) belong to, as far as their names say. */
export function tablesOf(objects: readonly string[]): string[] {
  const named = objects.map((object) => / on (\S+\.\S+)$/.exec(object)?.[1] ?? object.replace(/^[a-z ]+ (?=\S+$)/, ''))
  return [...new Set(named.map((name) => name.split('.').slice(0, 2).join('.')).filter((name) => name.includes('.')))]
}
