import { qualifiedName, type Catalog, type Grant } from '../model.ts'
import { IN_USER_SCHEMA } from './fragments.ts'
import { otherKey } from './others.ts'

/**
 * Everybody's privileges but the owner's own: an owner can always give them to himself. Objects without an access list
 * have PostgreSQL's defaults (EXECUTE on functions and USAGE on types for everybody), which are listed as grants.
 */
export const grantsQuery = `
  with acl as (
    select 's' as kind, n.nspname as schema, ''::name as name, null::name as column_name, '' as arguments, n.nspowner as owner,
      coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner)) as acl
    from pg_catalog.pg_namespace n
    where ${IN_USER_SCHEMA}
    union all
    select case c.relkind when 'S' then 'q' else 'r' end, n.nspname, c.relname, null, '', c.relowner,
      coalesce(c.relacl, pg_catalog.acldefault(case c.relkind when 'S' then 's'::"char" else 'r'::"char" end, c.relowner))
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f') and ${IN_USER_SCHEMA}
    union all
    select 'r', n.nspname, c.relname, a.attname, '', c.relowner, a.attacl
    from pg_catalog.pg_attribute a
      join pg_catalog.pg_class c on c.oid = a.attrelid
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where a.attacl is not null and not a.attisdropped and c.relkind in ('r', 'p', 'v', 'm', 'f') and ${IN_USER_SCHEMA}
    union all
    select 'f', n.nspname, p.proname, null, coalesce((
        select pg_catalog.string_agg(pg_catalog.format_type(u.type, null), ', ' order by u.n)
        from pg_catalog.unnest(p.proargtypes::oid[]) with ordinality u (type, n)
      ), ''), p.proowner, coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))
    from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where ${IN_USER_SCHEMA}
    union all
    select 't', n.nspname, t.typname, null, '', t.typowner, coalesce(t.typacl, pg_catalog.acldefault('T', t.typowner))
    from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
    where t.typtype in ('e', 'd', 'r', 'c', 'b', 'p') and t.typelem = 0 and ${IN_USER_SCHEMA}
    union all
    select 'w', '', o.fdwname, null, '', o.fdwowner, o.fdwacl from pg_catalog.pg_foreign_data_wrapper o
    union all
    select 'v', '', o.srvname, null, '', o.srvowner, o.srvacl from pg_catalog.pg_foreign_server o
    union all
    select 'l', '', o.lanname, null, '', o.lanowner, coalesce(o.lanacl, pg_catalog.acldefault('l', o.lanowner))
    from pg_catalog.pg_language o
  )
  select acl.kind, acl.schema::text, acl.name::text, acl.column_name::text, acl.arguments,
    case a.grantee when 0 then 'public' else pg_catalog.pg_get_userbyid(a.grantee)::text end as grantee,
    pg_catalog.lower(a.privilege_type) as privilege, pg_catalog.bool_or(a.is_grantable) as grantable
  from acl cross join lateral pg_catalog.aclexplode(acl.acl) a
  where a.grantee <> acl.owner
  group by 1, 2, 3, 4, 5, 6, 7
  order by 1, 2, 3, 5, 6, 4 nulls first, 7`

export interface GrantRow {
  kind: 's' | 'q' | 'r' | 'f' | 't' | 'w' | 'v' | 'l'
  schema: string
  name: string
  column_name: string | null
  arguments: string
  grantee: string
  privilege: string
  grantable: boolean
}

export function addGrants(catalog: Catalog, rows: GrantRow[]): void {
  for (const row of rows) {
    const grant: Grant = {
      grantee: row.grantee,
      privilege: row.privilege,
      column: row.column_name,
      grantable: row.grantable,
    }
    grantee(catalog, row)?.grants.push(grant)
  }
}

/** The object that a row is about; undefined for an extension's. */
function grantee(
  catalog: Catalog,
  { kind, schema, name, arguments: types }: GrantRow,
): { grants: Grant[] } | undefined {
  const key = qualifiedName(schema, name)
  const other = (own: string) => catalog.others.get(otherKey({ kind: own, schema, name }))
  switch (kind) {
    case 's':
      return catalog.schemas.get(schema)
    case 'q':
      return catalog.sequences.get(key)
    case 'r':
      return catalog.tables.get(key) ?? catalog.views.get(key) ?? other('foreign table')
    case 'f':
      return catalog.functions.get(`${key}(${types})`)
    case 't':
      return catalog.types.get(key) ?? other('base type')
    case 'w':
      return other('foreign data wrapper')
    case 'v':
      return other('foreign server')
    default:
      return other('language')
  }
}
