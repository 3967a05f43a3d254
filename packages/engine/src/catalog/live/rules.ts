import { qualifiedName, type Catalog } from '../model.ts'
import { commentOf, IN_USER_SCHEMA } from './fragments.ts'
import { ENABLED } from './triggers.ts'

/** Rules that somebody wrote; the one behind every view is the view. */
export const rulesQuery = `
  select n.nspname::text as schema, c.relname::text as table_name, r.rulename::text as name,
    pg_catalog.pg_get_ruledef(r.oid) as definition, r.ev_enabled::text as enabled,
    ${commentOf('pg_rewrite', 'r.oid')} as comment
  from pg_catalog.pg_rewrite r
    join pg_catalog.pg_class c on c.oid = r.ev_class
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where r.rulename <> '_RETURN' and ${IN_USER_SCHEMA}
  order by 1, 2, 3`

export interface RuleRow {
  schema: string
  table_name: string
  name: string
  definition: string
  enabled: keyof typeof ENABLED
  comment: string | null
}

export function addRules(catalog: Catalog, rows: RuleRow[]): void {
  for (const { schema, table_name, definition, enabled, ...row } of rows) {
    const key = qualifiedName(schema, table_name)
    const owner = catalog.tables.get(key) ?? catalog.views.get(key)
    owner?.rules.set(row.name, { ...row, definition: definition.replace(/;$/, ''), enabled: ENABLED[enabled] })
  }
}
