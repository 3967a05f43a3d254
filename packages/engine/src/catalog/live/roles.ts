import type { Catalog, Membership } from '../model.ts'
import { unusualMemberships } from '../memberships.ts'

/** The OID of the role that initdb made: a superuser grants and revokes in its name. */
const FIRST_SUPERUSER = 10

/** Roles belong to the server, not to one database: all but PostgreSQL's own. */
export const rolesQuery = `
  select r.rolname::text as name, r.rolcanlogin as login, r.rolsuper as superuser, r.rolbypassrls as bypass_rls,
    r.rolinherit as inherit,
    coalesce((
      select pg_catalog.json_object_agg(g.name, pg_catalog.json_build_object(
        'admin', g.admin, 'inherit', g.inherit, 'set', g.set, 'grantors', g.grantors) order by g.name collate "C")
      from (
        select g.rolname::text, pg_catalog.bool_or(m.admin_option),
          pg_catalog.bool_or(coalesce((pg_catalog.to_jsonb(m) ->> 'inherit_option')::boolean, r.rolinherit)),
          pg_catalog.bool_or(coalesce((pg_catalog.to_jsonb(m) ->> 'set_option')::boolean, true)),
          pg_catalog.json_agg(o.rolname::text order by o.rolname nulls first)
        from pg_catalog.pg_auth_members m join pg_catalog.pg_roles g on g.oid = m.roleid
          left join pg_catalog.pg_roles o
            on o.oid = m.grantor and o.oid <> ${FIRST_SUPERUSER} and pg_catalog.to_jsonb(m) ? 'inherit_option'
        where m.member = r.oid
        group by g.rolname
      ) g (name, admin, inherit, set, grantors)
    ), '{}') as member_of
  from pg_catalog.pg_roles r
  where r.rolname !~ '^pg_'
  order by r.rolname`

export interface RoleRow {
  name: string
  login: boolean
  superuser: boolean
  bypass_rls: boolean
  inherit: boolean
  member_of: Record<string, Membership & { grantors: (string | null)[] }>
}

export function addRoles(catalog: Catalog, rows: RoleRow[]): void {
  for (const { name, login, superuser, bypass_rls, inherit, member_of } of rows) {
    const memberOf = Object.keys(member_of).toSorted()
    const own = Object.entries(member_of)
    const options = own.map(([group, { admin, inherit, set }]) => [group, { admin, inherit, set }] as const)
    const memberships = unusualMemberships(Object.fromEntries(options), inherit)
    const grantors = Object.fromEntries(own.map(([group, membership]) => [group, membership.grantors]))
    catalog.roles.set(name, { name, login, superuser, bypassRls: bypass_rls, inherit, memberOf, memberships, grantors })
  }
}
