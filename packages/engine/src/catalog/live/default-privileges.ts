import type { Catalog, DefaultPrivilege, Grant } from '../model.ts'

/** Everybody's privileges but the owner's own, as for objects; an entry without any stands for privileges taken away. */
export const defaultPrivilegesQuery = `
  select pg_catalog.pg_get_userbyid(d.defaclrole)::text as owner, n.nspname::text as schema, d.defaclobjtype::text as kind,
    coalesce((
      select pg_catalog.json_agg(
        pg_catalog.json_build_object(
          'grantee', case a.grantee when 0 then 'public' else pg_catalog.pg_get_userbyid(a.grantee)::text end,
          'privilege', pg_catalog.lower(a.privilege_type), 'column', null, 'grantable', a.is_grantable
        )
      )
      from pg_catalog.aclexplode(d.defaclacl) a
      where a.grantee <> d.defaclrole
    ), '[]') as grants
  from pg_catalog.pg_default_acl d left join pg_catalog.pg_namespace n on n.oid = d.defaclnamespace
  where d.defaclobjtype in ('r', 'S', 'f', 'T', 'n')
  order by 1, 2 nulls first, 3`

export interface DefaultPrivilegeRow {
  owner: string
  schema: string | null
  kind: keyof typeof OBJECT_TYPES
  grants: Grant[]
}

const OBJECT_TYPES: Record<'r' | 'S' | 'f' | 'T' | 'n', DefaultPrivilege['objectType']> = {
  r: 'table',
  S: 'sequence',
  f: 'function',
  T: 'type',
  n: 'schema',
}

export function addDefaultPrivileges(catalog: Catalog, rows: DefaultPrivilegeRow[]): void {
  for (const { kind, ...row } of rows) catalog.defaultPrivileges.push({ ...row, objectType: OBJECT_TYPES[kind] })
}
