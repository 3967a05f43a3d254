import type { Querier } from './attack/runner.ts'
import type { Catalog } from '../catalog/model.ts'
import { loadParser } from '../parse/parser.ts'
import { quoteQualified } from './attack/quote.ts'
import type { DatabaseAccess, Facts, LoginSetting, ParameterGrant, RolePowers } from './facts.ts'
import type { VerifyPolicy } from './policy.ts'

/** Reads what the rules need and the catalog does not hold. */
export async function readFacts(db: Querier, catalog: Catalog, policy: VerifyPolicy): Promise<Facts> {
  await loadParser() // rules read the expressions of policies
  const [machines, roles, settings, parameterGrants, [database]] = await Promise.all([
    readMachines(db, catalog, policy),
    db.query<RolePowers>(rolesQuery),
    db.query<LoginSetting>(settingsQuery),
    db.query<ParameterGrant>(parameterGrantsQuery),
    db.query<DatabaseAccess>(databaseQuery),
  ])
  return { machines, roles, settings, parameterGrants, database: database ?? null }
}

async function readMachines(db: Querier, catalog: Catalog, policy: VerifyPolicy): Promise<string[] | null> {
  const table = catalog.tables.get(policy.transitionTable)
  if (!table) return []
  const [may] = await db.query<{ read: boolean }>(mayReadQuery, [table.schema, table.name])
  if (may?.read !== true) return null
  const rows = await db.query<{ machine: string }>(
    `select distinct machine from ${quoteQualified(table)} order by machine`,
  )
  return rows.map((row) => row.machine)
}

const mayReadQuery = `
  select pg_catalog.has_schema_privilege(n.oid, 'usage') and pg_catalog.has_table_privilege(c.oid, 'select') as read
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where n.nspname = $1 and c.relname = $2`

/** Before PostgreSQL 16 every member both has and can become what it is a member of. */
const rolesQuery = `
  select r.rolname::text as name,
    pg_catalog.array_remove(array[
      case when r.rolcreatedb then 'CREATEDB' end,
      case when r.rolcreaterole then 'CREATEROLE' end,
      case when r.rolreplication then 'REPLICATION' end
    ], null) as attributes,
    array(
      select g.rolname::text
      from pg_catalog.pg_auth_members m join pg_catalog.pg_roles g on g.oid = m.roleid
      where m.member = r.oid
      group by g.rolname
      having not pg_catalog.bool_or(
        coalesce((pg_catalog.to_jsonb(m) ->> 'inherit_option')::boolean, true)
        or coalesce((pg_catalog.to_jsonb(m) ->> 'set_option')::boolean, true))
      order by g.rolname
    ) as administers
  from pg_catalog.pg_roles r
  where r.rolname !~ '^pg_'
  order by r.rolname`

const settingsQuery = `
  select case when s.setrole <> 0 then pg_catalog.pg_get_userbyid(s.setrole)::text end as role,
    pg_catalog.split_part(c.setting, '=', 1) as name,
    pg_catalog.substr(c.setting, pg_catalog.strpos(c.setting, '=') + 1) as value
  from pg_catalog.pg_db_role_setting s cross join lateral pg_catalog.unnest(s.setconfig) c (setting)
  where s.setdatabase in (0, (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()))
  order by 1, 2`

const parameterGrantsQuery = `
  select distinct case a.grantee when 0 then 'public' else pg_catalog.pg_get_userbyid(a.grantee)::text end as grantee,
    p.parname as parameter, a.privilege_type as privilege
  from pg_catalog.pg_parameter_acl p cross join lateral pg_catalog.aclexplode(p.paracl) a
  order by 1, 2, 3`

const databaseQuery = `
  select d.datname::text as name, pg_catalog.pg_get_userbyid(d.datdba)::text as owner,
    array(
      select case a.grantee when 0 then 'public' else pg_catalog.pg_get_userbyid(a.grantee)::text end
      from pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) a
      where a.privilege_type = 'CREATE' and a.grantee <> d.datdba
      order by 1
    ) as creators
  from pg_catalog.pg_database d
  where d.datname = pg_catalog.current_database()`
