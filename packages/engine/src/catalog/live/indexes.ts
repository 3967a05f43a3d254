import { qualifiedName, type Catalog, type Index } from '../model.ts'
import { columnNamed, columnsNamed, type ColumnNumbers } from './column-numbers.ts'
import { IN_USER_SCHEMA } from './fragments.ts'

/** indoption holds two bits a key: 1 descending, 2 nulls first. */
export const indexesQuery = `
  select n.nspname::text as schema, t.relname::text as table_name, c.relname::text as name,
    i.indisunique as is_unique, am.amname::text as method, i.indnullsnotdistinct as nulls_not_distinct,
    i.indisvalid as valid,
    i.indexrelid in (
      select conindid from pg_catalog.pg_constraint where contype in ('p', 'u', 'x')
    ) as from_constraint,
    case when i.indpred is not null then pg_catalog.pg_get_expr(i.indpred, i.indrelid) end as predicate,
    coalesce(pg_catalog.to_json(c.reloptions), '[]') as options,
    e.description as comment,
    i.indkey::int2[] as columns, i.indnkeyatts as keys, i.indoption::int2[] as ordering,
    case when i.indexprs is not null then (
      select pg_catalog.json_object_agg(k.n, pg_catalog.pg_get_indexdef(i.indexrelid, k.n::int, false))
      from pg_catalog.unnest(i.indkey::int2[]) with ordinality k (attnum, n)
      where k.attnum = 0
    ) end as expressions,
    case when i.indclass::oid[] && array(select oid from pg_catalog.pg_opclass where not opcdefault) then (
      select pg_catalog.json_object_agg(k.n, o.opcname)
      from pg_catalog.unnest(i.indclass::oid[]) with ordinality k (oid, n)
        join pg_catalog.pg_opclass o on o.oid = k.oid
      where not o.opcdefault
    ) end as operator_classes,
    case when not i.indcollation::oid[] <@ '{0,100}' or i.indrelid in (
      select attrelid from pg_catalog.pg_attribute where attcollation not in (0, 100)
    ) then (
      select pg_catalog.json_object_agg(k.n, cn.nspname || '.' || l.collname)
      from pg_catalog.unnest(i.indcollation::oid[]) with ordinality k (oid, n)
        join pg_catalog.pg_collation l on l.oid = k.oid
        join pg_catalog.pg_namespace cn on cn.oid = l.collnamespace
        left join pg_catalog.pg_attribute a
          on a.attrelid = i.indrelid and a.attnum = i.indkey[k.n - 1] and a.attnum <> 0
      where k.oid <> coalesce(a.attcollation, 100)
    ) end as collations
  from pg_catalog.pg_index i
    join pg_catalog.pg_class c on c.oid = i.indexrelid
    join pg_catalog.pg_class t on t.oid = i.indrelid
    join pg_catalog.pg_namespace n on n.oid = t.relnamespace
    join pg_catalog.pg_am am on am.oid = c.relam
    left join pg_catalog.pg_description e
      on e.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass and e.objoid = c.oid and e.objsubid = 0
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
  /** Numbers of columns, 0 for an expression; those behind the keys are included ones. */
  columns: number[]
  /** How many keys there are. */
  keys: number
  ordering: number[]
  /** By place, counted from 1. */
  expressions: Record<number, string> | null
  /** Where it is not the type's default. */
  operator_classes: Record<number, string> | null
  /** Where it is not the column's. */
  collations: Record<number, string> | null
}

export function addIndexes(catalog: Catalog, rows: IndexRow[], numbers: ColumnNumbers): void {
  for (const row of rows) {
    const name = qualifiedName(row.schema, row.table_name)
    const index: Index = {
      name: row.name,
      unique: row.is_unique,
      fromConstraint: row.from_constraint,
      method: row.method,
      keys: row.columns.slice(0, row.keys).map((number, n) => ({
        column: columnNamed(numbers, name, number),
        expression: row.expressions?.[n + 1] ?? null,
        operatorClass: row.operator_classes?.[n + 1] ?? null,
        collation: row.collations?.[n + 1] ?? null,
        descending: ((row.ordering[n] ?? 0) & 1) !== 0,
        nullsFirst: ((row.ordering[n] ?? 0) & 2) !== 0,
      })),
      include: columnsNamed(numbers, name, row.columns.slice(row.keys)),
      predicate: row.predicate,
      nullsNotDistinct: row.nulls_not_distinct,
      options: row.options.toSorted(),
      valid: row.valid,
      comment: row.comment,
    }
    const owner = catalog.tables.get(name) ?? catalog.views.get(name)
    owner?.indexes.set(row.name, index)
  }
}
