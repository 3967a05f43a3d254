import { qualifiedName, type Catalog, type View } from '../model.ts'
import { commentOf, IN_USER_SCHEMA, notOfExtension } from './fragments.ts'

export const viewsQuery = `
  select n.nspname::text as schema, c.relname::text as name, c.relkind = 'm' as materialized,
    pg_catalog.pg_get_userbyid(c.relowner)::text as owner,
    ${commentOf('pg_class', 'c.oid')} as comment,
    pg_catalog.pg_get_viewdef(c.oid) as definition,
    coalesce(pg_catalog.to_json(c.reloptions), '[]') as options, c.relispopulated as with_data,
    coalesce((
      select pg_catalog.json_agg(distinct r.name order by r.name)
      from (
        select d.refclassid, d.refobjid
        from pg_catalog.pg_rewrite w
          join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and d.objid = w.oid
        where w.ev_class = c.oid and w.rulename = '_RETURN' and d.refobjid <> c.oid
      ) d cross join lateral (
        select n.nspname || '.' || o.relname collate "C"
        from pg_catalog.pg_class o join pg_catalog.pg_namespace n on n.oid = o.relnamespace
        where d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and o.oid = d.refobjid and ${IN_USER_SCHEMA}
          and ${notOfExtension('pg_class', 'o.oid')}
        union all
        select n.nspname || '.' || o.proname collate "C"
        from pg_catalog.pg_proc o join pg_catalog.pg_namespace n on n.oid = o.pronamespace
        where d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass and o.oid = d.refobjid and ${IN_USER_SCHEMA}
          and ${notOfExtension('pg_proc', 'o.oid')}
      ) r (name)
    ), '[]') as dependencies,
    (
      select pg_catalog.json_object_agg(a.attname::text, e.description order by a.attnum)
      from pg_catalog.pg_description e
        join pg_catalog.pg_attribute a on a.attrelid = e.objoid and a.attnum = e.objsubid
      where e.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass and e.objoid = c.oid and e.objsubid > 0
    ) as column_comments,
    (
      select pg_catalog.json_object_agg(a.attname::text, pg_catalog.pg_get_expr(d.adbin, d.adrelid) order by a.attnum)
      from pg_catalog.pg_attrdef d join pg_catalog.pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
      where d.adrelid = c.oid
    ) as column_defaults,
    (
      select pg_catalog.json_agg(a.attname::text order by a.attnum)
      from pg_catalog.pg_attribute a
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    ) as columns
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('v', 'm') and c.relpersistence <> 't' and ${IN_USER_SCHEMA} and ${notOfExtension('pg_class', 'c.oid')}
  order by 1, 2`

export interface ViewRow {
  schema: string
  name: string
  materialized: boolean
  owner: string
  comment: string | null
  definition: string
  options: string[]
  with_data: boolean
  dependencies: string[]
  column_comments: Record<string, string> | null
  column_defaults: Record<string, string> | null
  columns: string[] | null
}

export function addViews(catalog: Catalog, rows: ViewRow[]): void {
  for (const { options, columns, with_data, column_comments, column_defaults, ...row } of rows) {
    const view: View = {
      ...row,
      definition: row.definition.trim().replace(/;$/, ''),
      columns: columns ?? [],
      securityInvoker: isOn(options, 'security_invoker'),
      securityBarrier: isOn(options, 'security_barrier'),
      checkOption: options.includes('check_option=local')
        ? 'local'
        : options.includes('check_option=cascaded')
          ? 'cascaded'
          : null,
      indexes: new Map(),
      triggers: new Map(),
      rules: new Map(),
      columnComments: column_comments ?? {},
      columnDefaults: column_defaults ?? {},
      options: options.toSorted(),
      withData: with_data,
      grants: [],
    }
    catalog.views.set(qualifiedName(row.schema, row.name), view)
  }
}

/** PostgreSQL keeps the author's spelling of a boolean option. */
export function isOn(options: string[], name: string): boolean {
  return options.some((option) => new RegExp(`^${name}=(true|on|yes|1|t|y)$`, 'i').test(option))
}
