import { qualifiedName, type Catalog, type Column } from '../model.ts'
import { commentOf, IN_USER_SCHEMA, notOfExtension } from './fragments.ts'

export const tablesQuery = `
  select n.nspname::text as schema, c.relname::text as name,
    pg_catalog.pg_get_userbyid(c.relowner)::text as owner,
    ${commentOf('pg_class', 'c.oid')} as comment,
    c.relrowsecurity as rls_enabled, c.relforcerowsecurity as rls_forced, c.relpersistence = 'u' as unlogged,
    case when c.relkind = 'p' then pg_catalog.lower(pg_catalog.substring(k.key, '^\\w+')) || pg_catalog.substring(k.key, '^\\w+(.*)$')
    end as partition_key,
    case when c.relispartition then (
      select pn.nspname || '.' || p.relname
      from pg_catalog.pg_inherits i
        join pg_catalog.pg_class p on p.oid = i.inhparent
        join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
      where i.inhrelid = c.oid
    ) end as partition_of,
    case when c.relispartition then pg_catalog.pg_get_expr(c.relpartbound, c.oid) end as partition_bound,
    case when c.relispartition then '[]' else coalesce((
      select pg_catalog.json_agg(pn.nspname || '.' || p.relname order by i.inhseqno)
      from pg_catalog.pg_inherits i
        join pg_catalog.pg_class p on p.oid = i.inhparent
        join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
      where i.inhrelid = c.oid
    ), '[]') end as inherits,
    coalesce(pg_catalog.to_json(c.reloptions), '[]') as options,
    case c.relreplident when 'd' then 'default' when 'f' then 'full' when 'n' then 'nothing' else (
      select 'index ' || x.relname
      from pg_catalog.pg_index i join pg_catalog.pg_class x on x.oid = i.indexrelid
      where i.indrelid = c.oid and i.indisreplident
    ) end as replica_identity
  from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    cross join lateral (select case when c.relkind = 'p' then pg_catalog.pg_get_partkeydef(c.oid) end as key) k
  where c.relkind in ('r', 'p') and c.relpersistence <> 't' and ${IN_USER_SCHEMA} and ${notOfExtension('pg_class', 'c.oid')}
  order by 1, 2`

export interface TableRow {
  schema: string
  name: string
  owner: string
  comment: string | null
  rls_enabled: boolean
  rls_forced: boolean
  unlogged: boolean
  partition_key: string | null
  partition_of: string | null
  partition_bound: string | null
  inherits: string[]
  options: string[]
  replica_identity: string
}

export function addTables(catalog: Catalog, rows: TableRow[]): void {
  for (const row of rows) {
    catalog.tables.set(qualifiedName(row.schema, row.name), {
      schema: row.schema,
      name: row.name,
      owner: row.owner,
      comment: row.comment,
      grants: [],
      columns: new Map(),
      constraints: new Map(),
      indexes: new Map(),
      policies: new Map(),
      triggers: new Map(),
      rules: new Map(),
      rlsEnabled: row.rls_enabled,
      rlsForced: row.rls_forced,
      unlogged: row.unlogged,
      partitionKey: row.partition_key,
      partitionOf: row.partition_of,
      partitionBound: row.partition_bound?.replace(/^(FOR VALUES|DEFAULT)/, (words) => words.toLowerCase()) ?? null,
      inherits: row.inherits,
      options: row.options.toSorted(),
      replicaIdentity: row.replica_identity,
    })
  }
}

/** Of tables and materialized views, whose indexes name them by number. */
export const columnsQuery = `
  select n.nspname::text as schema, c.relname::text as table_name, a.attname::text as name,
    a.attnum as number, pg_catalog.format_type(a.atttypid, a.atttypmod) as type, a.attnotnull as not_null, k.conname::text as unvalidated_not_null,
    pg_catalog.pg_get_expr(d.adbin, d.adrelid) as expression, a.attidentity::text as identity,
    a.attgenerated::text as generated,
    case when a.attcollation <> t.typcollation then (
      select cn.nspname || '.' || o.collname
      from pg_catalog.pg_collation o join pg_catalog.pg_namespace cn on cn.oid = o.collnamespace
      where o.oid = a.attcollation
    ) end as collation,
    case when a.attstorage <> t.typstorage then a.attstorage::text end as storage,
    nullif(a.attcompression, '')::text as compression, nullif(a.attstattarget, -1)::int as statistics,
    a.attoptions as options, e.description as comment
  from pg_catalog.pg_attribute a
    join pg_catalog.pg_class c on c.oid = a.attrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join pg_catalog.pg_type t on t.oid = a.atttypid
    left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    left join pg_catalog.pg_constraint k
      on k.conrelid = a.attrelid and k.contype = 'n' and k.conkey = array[a.attnum] and not k.convalidated
    left join pg_catalog.pg_description e
      on e.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass and e.objoid = a.attrelid and e.objsubid = a.attnum
  where c.relkind in ('r', 'p', 'm') and c.relpersistence <> 't' and a.attnum > 0 and not a.attisdropped
    and ${IN_USER_SCHEMA}
  order by 1, 2, 4`

export interface ColumnRow {
  schema: string
  table_name: string
  name: string
  number: number
  type: string
  not_null: boolean
  unvalidated_not_null: string | null
  expression: string | null
  identity: string
  generated: string
  collation: string | null
  storage: keyof typeof STORAGE | null
  compression: 'p' | 'l' | null
  statistics: number | null
  options: string[] | null
  comment: string | null
}

const STORAGE = { p: 'plain', e: 'external', x: 'extended', m: 'main' } as const
const COMPRESSION = { p: 'pglz', l: 'lz4' } as const

export function addColumns(catalog: Catalog, rows: ColumnRow[]): void {
  for (const row of rows) {
    const { name, type, collation, comment } = row
    // Columns of an extension's table have no table here.
    const columns = catalog.tables.get(qualifiedName(row.schema, row.table_name))?.columns
    const column: Column = {
      name,
      ordinal: (columns?.size ?? 0) + 1,
      type,
      notNull: row.not_null,
      unvalidatedNotNull: row.unvalidated_not_null,
      default: row.generated === '' ? row.expression : null,
      identity: row.identity === 'a' ? 'always' : row.identity === 'd' ? 'by default' : null,
      generated: row.generated === '' ? null : row.generated === 'v' ? `${row.expression} virtual` : row.expression,
      collation,
      identitySequence: null,
      storage: row.storage && STORAGE[row.storage],
      compression: row.compression && COMPRESSION[row.compression],
      statistics: row.statistics,
      options: row.options?.toSorted() ?? [],
      comment,
    }
    columns?.set(name, column)
  }
}
