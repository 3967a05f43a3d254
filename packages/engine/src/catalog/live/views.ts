import { qualifiedName, type Catalog, type View } from '../model.ts'
import { commentOf, IN_USER_SCHEMA, notOfExtension } from './fragments.ts'

export const viewsQuery = `
  select n.nspname::text as schema, c.relname::text as name, c.relkind = 'm' as materialized,
    pg_catalog.pg_get_userbyid(c.relowner)::text as owner,
    ${commentOf('pg_class', 'c.oid')} as comment,
    pg_catalog.pg_get_viewdef(c.oid) as definition,
    coalesce(pg_catalog.to_json(c.reloptions), '[]') as options,
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
  columns: string[] | null
}

export function addViews(catalog: Catalog, rows: ViewRow[]): void {
  for (const { options, columns, ...row } of rows) {
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
      grants: [],
    }
    catalog.views.set(qualifiedName(row.schema, row.name), view)
  }
}

/** PostgreSQL keeps the author's spelling of a boolean option. */
export function isOn(options: string[], name: string): boolean {
  return options.some((option) => new RegExp(`^${name}=(true|on|yes|1|t|y)$`, 'i').test(option))
}
