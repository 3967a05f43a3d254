import { qualifiedName, type Catalog, type Policy } from '../model.ts'
import { commentOf, IN_USER_SCHEMA } from './fragments.ts'

export const policiesQuery = `
  select n.nspname::text as schema, c.relname::text as table_name, p.polname::text as name,
    p.polpermissive as permissive, p.polcmd::text as command,
    (
      select pg_catalog.json_agg(case r.role when 0 then 'public' else pg_catalog.pg_get_userbyid(r.role)::text end)
      from pg_catalog.unnest(p.polroles) r (role)
    ) as roles,
    pg_catalog.pg_get_expr(p.polqual, p.polrelid) as "using",
    pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) as with_check,
    ${commentOf('pg_policy', 'p.oid')} as comment
  from pg_catalog.pg_policy p
    join pg_catalog.pg_class c on c.oid = p.polrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where ${IN_USER_SCHEMA}
  order by 1, 2, 3`

export interface PolicyRow {
  schema: string
  table_name: string
  name: string
  permissive: boolean
  command: '*' | 'r' | 'a' | 'w' | 'd'
  roles: string[]
  using: string | null
  with_check: string | null
  comment: string | null
}

const COMMANDS = { '*': 'all', r: 'select', a: 'insert', w: 'update', d: 'delete' } as const

export function addPolicies(catalog: Catalog, rows: PolicyRow[]): void {
  for (const row of rows) {
    const policy: Policy = {
      name: row.name,
      permissive: row.permissive,
      command: COMMANDS[row.command],
      roles: row.roles.toSorted(),
      using: row.using,
      withCheck: row.with_check,
      comment: row.comment,
    }
    catalog.tables.get(qualifiedName(row.schema, row.table_name))?.policies.set(row.name, policy)
  }
}
