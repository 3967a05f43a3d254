import { qualifiedName, type Catalog, type Index } from '../model.ts'
import { commentOf, IN_USER_SCHEMA } from './fragments.ts'

/** indoption holds two bits a key: 1 descending, 2 nulls first. */
export const indexesQuery = `
  select n.nspname::text as schema, t.relname::text as table_name, c.relname::text as name,
    i.indisunique as is_unique, am.amname::text as method, i.indnullsnotdistinct as nulls_not_distinct,
    i.indisvalid as valid,
    exists (
      select from pg_catalog.pg_constraint k where k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x')
    ) as from_constraint,
    case when i.indpred is not null then pg_catalog.pg_get_expr(i.indpred, i.indrelid) end as predicate,
    coalesce(pg_catalog.to_json(c.reloptions), '[]') as options,
    ${commentOf('pg_class', 'c.oid')} as comment,
    (
      select pg_catalog.json_agg(
        pg_catalog.json_build_object(
          'column', a.attname::text,
          'expression', case when p.attnum = 0 then pg_catalog.pg_get_indexdef(i.indexrelid, p.n::int, false) end,
          'operator_class', case when not o.opcdefault then o.opcname::text end,
          'collation', case when p.n <= i.indnkeyatts and i.indcollation[p.n - 1] <> 0
            and i.indcollation[p.n - 1] <> coalesce(a.attcollation, 100) then (
              select cn.nspname || '.' || l.collname
              from pg_catalog.pg_collation l join pg_catalog.pg_namespace cn on cn.oid = l.collnamespace
              where l.oid = i.indcollation[p.n - 1]
            ) end,
          'option', coalesce(i.indoption[p.n - 1], 0),
          'included', p.n > i.indnkeyatts
        )
        order by p.n
      )
      from pg_catalog.unnest(i.indkey::int2[]) with ordinality p (attnum, n)
        left join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = p.attnum and p.attnum <> 0
        left join pg_catalog.pg_opclass o on o.oid = i.indclass[p.n - 1]
    ) as keys
  from pg_catalog.pg_index i
    join pg_catalog.pg_class c on c.oid = i.indexrelid
    join pg_catalog.pg_class t on t.oid = i.indrelid
    join pg_catalog.pg_namespace n on n.oid = t.relnamespace
    join pg_catalog.pg_am am on am.oid = c.relam
  where t.relkind in ('r', 'p', 'm') and ${IN_USER_SCHEMA}
  order by 1, 2, 3`

export interface IndexRow {
  schema: string
  table_name: string
  name: string
  is_unique: boolean
  method: string
  nulls_not_distinct: boolean
  valid: boolean
  from_constraint: boolean
  predicate: string | null
  options: string[]
  comment: string | null
  keys: IndexKeyRow[]
}

interface IndexKeyRow {
  column: string | null
  expression: string | null
  operator_class: string | null
  collation: string | null
  option: number
  included: boolean
}

export function addIndexes(catalog: Catalog, rows: IndexRow[]): void {
  for (const row of rows) {
    const index: Index = {
      name: row.name,
      unique: row.is_unique,
      fromConstraint: row.from_constraint,
      method: row.method,
      keys: row.keys
        .filter((key) => !key.included)
        .map(({ column, expression, operator_class, collation, option }) => ({
          column,
          expression,
          operatorClass: operator_class,
          collation,
          descending: (option & 1) !== 0,
          nullsFirst: (option & 2) !== 0,
        })),
      include: row.keys.filter((key) => key.included).map((key) => key.column ?? ''),
      predicate: row.predicate,
      nullsNotDistinct: row.nulls_not_distinct,
      options: row.options.toSorted(),
      valid: row.valid,
      comment: row.comment,
    }
    const name = qualifiedName(row.schema, row.table_name)
    const owner = catalog.tables.get(name) ?? catalog.views.get(name)
    owner?.indexes.set(row.name, index)
  }
}
