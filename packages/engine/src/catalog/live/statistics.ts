import { qualifiedName, type Catalog } from '../model.ts'
import { commentOf, IN_USER_SCHEMA, notOfExtension } from './fragments.ts'

export const statisticsQuery = `
  select n.nspname::text as schema, s.stxname::text as name, tn.nspname || '.' || t.relname as table_name,
    pg_catalog.to_json(s.stxkind::text[]) as kinds,
    coalesce((
      select pg_catalog.json_agg(a.attname::text order by u.n)
      from pg_catalog.unnest(s.stxkeys::int2[]) with ordinality u (attnum, n)
        join pg_catalog.pg_attribute a on a.attrelid = s.stxrelid and a.attnum = u.attnum
    ), '[]') as columns,
    coalesce(pg_catalog.to_json(pg_catalog.pg_get_statisticsobjdef_expressions(s.oid)), '[]') as expressions,
    ${commentOf('pg_statistic_ext', 's.oid')} as comment, pg_catalog.pg_get_userbyid(s.stxowner)::text as owner
  from pg_catalog.pg_statistic_ext s
    join pg_catalog.pg_namespace n on n.oid = s.stxnamespace
    join pg_catalog.pg_class t on t.oid = s.stxrelid
    join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
  where ${IN_USER_SCHEMA} and ${notOfExtension('pg_statistic_ext', 's.oid')}
  order by 1, 2`

export interface StatisticsRow {
  schema: string
  name: string
  table_name: string
  kinds: string[]
  columns: string[]
  expressions: string[]
  comment: string | null
  owner: string
}

const KINDS: Record<string, string> = { d: 'ndistinct', f: 'dependencies', m: 'mcv' }

export function addStatistics(catalog: Catalog, rows: StatisticsRow[]): void {
  for (const { table_name, kinds, columns, expressions, ...row } of rows) {
    catalog.statistics.set(qualifiedName(row.schema, row.name), {
      ...row,
      table: table_name,
      // `e` says that there are expressions
      kinds: kinds.flatMap((kind) => KINDS[kind] ?? []).toSorted(),
      expressions: [...columns, ...expressions],
    })
  }
}
