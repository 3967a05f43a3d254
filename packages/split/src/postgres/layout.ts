import type { Transaction } from '@imhotep/postgres'
import type { MovedTable, TableName } from '../model.ts'
import { MovedTableMissingError } from './errors.ts'
import { identifier, partitionTree, qualified } from './sql-text.ts'

/** Which end of a move a database is: the shared one knows a table by its `source` name, the service's by its `target`. */
export type End = 'source' | 'target'

/** A moved table as it is in this database. */
export interface Layout {
  readonly moved: MovedTable
  readonly table: TableName
  readonly oid: number
  /** Quoted. */
  readonly sql: string
  /** In the order of the row. */
  readonly columns: readonly LocalColumn[]
  /** In the order of the key. */
  readonly key: readonly LocalColumn[]
  /** Positions of the key's columns in a row. */
  readonly keyAt: readonly number[]
  /** A unique index that ON CONFLICT can use stands on exactly the key. */
  readonly hasKeyIndex: boolean
  /** The table and all its partitions, quoted. */
  readonly all: readonly string[]
}

export interface LocalColumn {
  readonly name: string
  /** Quoted. */
  readonly sql: string
  /** What a text is cast to: the type without length, so that a value too long is refused instead of cut. */
  readonly cast: string
  /** Has an order of its own that the other server shares; else its text is compared byte by byte. */
  readonly order: 'native' | 'text' | 'text in C'
  readonly notNull: boolean
  readonly composite: boolean
  /** GENERATED ALWAYS AS IDENTITY. */
  readonly identityAlways: boolean
}

interface ColumnRow {
  readonly name: string
  readonly cast: string
  readonly order: LocalColumn['order']
  readonly notNull: boolean
  readonly composite: boolean
  readonly identityAlways: boolean
}

const columnsQuery = `
  select a.attname as name, format_type(a.atttypid, -1) as cast, a.attnotnull as "notNull",
         b.typtype = 'c' as composite, a.attidentity = 'a' as "identityAlways",
         case when b.oid in (25, 1043, 1042, 19) then
                case when c.collname in ('C', 'POSIX') then 'text in C'
                     when c.collname = 'default' and c.collprovider = 'd' and d.datlocprovider = 'c'
                          and d.datcollate in ('C', 'POSIX') then 'text in C'
                     else 'text' end
              -- operators of types outside pg_catalog are not on the search path
              when b.typnamespace <> 'pg_catalog'::regnamespace and b.typtype not in ('e', 'r') then 'text'
              else 'native' end as order
    from pg_attribute a
    cross join lateral (
      with recursive base as (
        select t.oid, t.typbasetype, t.typtype, t.typnamespace from pg_type t where t.oid = a.atttypid
        union all
        select t.oid, t.typbasetype, t.typtype, t.typnamespace from base join pg_type t on t.oid = base.typbasetype)
      select * from base where typtype <> 'd') b
    left join pg_collation c on c.oid = a.attcollation
    join pg_database d on d.datname = current_database()
   where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped`

const keyIndexQuery = `
  select 1
    from pg_index i
   where i.indrelid = $1 and i.indisunique and i.indisvalid and i.indimmediate
     and i.indpred is null and i.indexprs is null
     and (select array_agg(a.attname::text order by a.attname::text) from pg_attribute a
           where a.attrelid = $1 and a.attnum = any (i.indkey[0:i.indnkeyatts - 1])) = $2::text[]`

/** Looks a table up in the catalog. @throws MovedTableMissingError */
export async function readLayout(tx: Transaction, moved: MovedTable, end: End): Promise<Layout> {
  const table = moved[end]
  const sql = qualified(table)
  const [found] = await tx.query<{ oid: number | null }>(`select to_regclass($1)::oid::int8 as oid`, [sql])
  if (found?.oid == null) throw new MovedTableMissingError(table)
  const { oid } = found
  const key = moved.key.toSorted((a, b) => (a < b ? -1 : 1))
  const [rows, index, partitions] = await Promise.all([
    tx.query<ColumnRow>(columnsQuery, [oid]),
    tx.query(keyIndexQuery, [oid, key]),
    tx.query<TableName>(
      `select n.nspname as schema, c.relname as name
         from ${partitionTree('$1::oid')} p
         join pg_class c on c.oid = p.oid join pg_namespace n on n.oid = c.relnamespace
        order by p.level`,
      [oid],
    ),
  ])
  const byName = new Map(rows.map((row) => [row.name, { ...row, sql: identifier(row.name) }]))
  const columns = moved.columns.map(({ name }) => {
    const column = byName.get(name)
    if (!column) throw new MovedTableMissingError(table, name)
    return column
  })
  const keyAt = moved.key.map((name) => moved.columns.findIndex((column) => column.name === name))
  return {
    moved,
    table,
    oid,
    sql,
    columns,
    key: keyAt.map((at) => columns[at] as LocalColumn),
    keyAt,
    hasKeyIndex: index.length > 0,
    all: partitions.length > 0 ? partitions.map(qualified) : [sql],
  }
}
