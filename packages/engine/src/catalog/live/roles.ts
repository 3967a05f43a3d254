import type { Catalog } from '../model.ts'

/** Roles belong to the server, not to one database: all but PostgreSQL's own. */
export const rolesQuery = `
  select r.rolname::text as name, r.rolcanlogin as login, r.rolsuper as superuser, r.rolbypassrls as bypass_rls,
    r.rolinherit as inherit,
    coalesce((
      select pg_catalog.json_agg(distinct g.rolname::text order by g.rolname::text)
      from pg_catalog.pg_auth_members m join pg_catalog.pg_roles g on g.oid = m.roleid
      where m.member = r.oid
    ), '[]') as member_of
  from pg_catalog.pg_roles r
  where r.rolname !~ '^pg_'
  order by r.rolname`

export interface RoleRow {
  name: string
  login: boolean
  superuser: boolean
  bypass_rls: boolean
  inherit: boolean
  member_of: string[]
}

export function addRoles(catalog: Catalog, rows: RoleRow[]): void {
  for (const { name, login, superuser, bypass_rls, inherit, member_of } of rows) {
    catalog.roles.set(name, { name, login, superuser, bypassRls: bypass_rls, inherit, memberOf: member_of })
  }
}
