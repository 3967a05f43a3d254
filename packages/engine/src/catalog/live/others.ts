import type { Catalog } from '../model.ts'
import { commentOf, IN_USER_SCHEMA, notOfExtension } from './fragments.ts'

/** The first object that a user can make has this OID: below are PostgreSQL's own. */
const FIRST_USER_OID = 16384

/** One branch of the query: a kind in a schema. `o` is its catalog, with `name` and the column of its schema. */
function inSchema(kind: string, catalog: string, prefix: string, name = `o.${prefix}name::text`, definition = 'null') {
  return `
  select '${kind}' as kind, n.nspname::text as schema, ${name} as name, ${definition} as definition,
    ${commentOf(catalog, 'o.oid')} as comment
  from pg_catalog.${catalog} o join pg_catalog.pg_namespace n on n.oid = o.${prefix}namespace
  where ${IN_USER_SCHEMA} and ${notOfExtension(catalog, 'o.oid')}`
}

/** The same for a kind that is in no schema. */
function inDatabase(kind: string, catalog: string, name: string, definition = 'null', condition = 'true') {
  return `
  select '${kind}', '', ${name}, ${definition}, ${commentOf(catalog, 'o.oid')}
  from pg_catalog.${catalog} o
  where o.oid >= ${FIRST_USER_OID} and ${notOfExtension(catalog, 'o.oid')} and ${condition}`
}

const type = (oid: string) => `pg_catalog.format_type(${oid}, null)`

/** The cast of a range type to its multirange comes with the type. */
const NOT_OF_TYPE = `not exists (
    select from pg_catalog.pg_depend d
    where d.classid = 'pg_catalog.pg_cast'::pg_catalog.regclass and d.objid = o.oid and d.deptype = 'i'
  )`

const castDefinition = `'create cast (' || ${type('o.castsource')} || ' as ' || ${type('o.casttarget')} || ') '
    || case o.castmethod when 'f' then 'with function ' || o.castfunc::pg_catalog.regprocedure::text
      when 'i' then 'with inout' else 'without function' end
    || case o.castcontext when 'a' then ' as assignment' when 'i' then ' as implicit' else '' end`

const operatorName = `o.oprname || '(' || case o.oprleft when 0 then 'none' else ${type('o.oprleft')} end
    || ', ' || ${type('o.oprright')} || ')'`

const foreignTableDefinition = `(
      select 'create foreign table ' || c.oid::pg_catalog.regclass::text || ' (' || (
          select pg_catalog.string_agg(pg_catalog.quote_ident(a.attname) || ' '
            || pg_catalog.format_type(a.atttypid, a.atttypmod) || case when a.attnotnull then ' not null' else '' end,
            ', ' order by a.attnum)
          from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        ) || ') server ' || pg_catalog.quote_ident(s.srvname)
      from pg_catalog.pg_class c join pg_catalog.pg_foreign_server s on s.oid = f.ftserver where c.oid = f.ftrelid
    )`

export const othersQuery = [
  inSchema('collation', 'pg_collation', 'coll'),
  inSchema('operator', 'pg_operator', 'opr', operatorName),
  ...(['class', 'family'] as const).map((word) => {
    const prefix = word === 'class' ? 'opc' : 'opf'
    const name = `o.${prefix}name || ' using ' || (select amname from pg_catalog.pg_am where oid = o.${prefix}method)`
    return inSchema(`operator ${word}`, word === 'class' ? 'pg_opclass' : 'pg_opfamily', prefix, name)
  }),
  inSchema('text search configuration', 'pg_ts_config', 'cfg'),
  inSchema('text search dictionary', 'pg_ts_dict', 'dict'),
  inSchema('text search parser', 'pg_ts_parser', 'prs'),
  inSchema('text search template', 'pg_ts_template', 'tmpl'),
  inSchema('conversion', 'pg_conversion', 'con'),
  inDatabase(
    'cast',
    'pg_cast',
    `${type('o.castsource')} || ' as ' || ${type('o.casttarget')}`,
    castDefinition,
    NOT_OF_TYPE,
  ),
  inDatabase('access method', 'pg_am', 'o.amname::text'),
  inDatabase('language', 'pg_language', 'o.lanname::text'),
  inDatabase('foreign data wrapper', 'pg_foreign_data_wrapper', 'o.fdwname::text'),
  inDatabase('foreign server', 'pg_foreign_server', 'o.srvname::text'),
  `
  select 'user mapping', '', m.usename || ' on ' || m.srvname, null, null from pg_catalog.pg_user_mappings m`,
  `
  select 'foreign table', n.nspname::text, o.relname::text, ${foreignTableDefinition}, ${commentOf('pg_class', 'o.oid')}
  from pg_catalog.pg_foreign_table f
    join pg_catalog.pg_class o on o.oid = f.ftrelid
    join pg_catalog.pg_namespace n on n.oid = o.relnamespace
  where ${IN_USER_SCHEMA} and ${notOfExtension('pg_class', 'o.oid')}`,
  `
  select 'base type', n.nspname::text, o.typname::text, null, ${commentOf('pg_type', 'o.oid')}
  from pg_catalog.pg_type o join pg_catalog.pg_namespace n on n.oid = o.typnamespace
  where o.typtype in ('b', 'p') and o.typelem = 0 and ${IN_USER_SCHEMA} and ${notOfExtension('pg_type', 'o.oid')}`,
].join('\n  union all')

export interface OtherRow {
  kind: string
  schema: string
  name: string
  definition: string | null
  comment: string | null
}

export function addOthers(catalog: Catalog, rows: OtherRow[]): void {
  for (const row of rows) catalog.others.set(otherKey(row), row)
}

export function otherKey({ kind, schema, name }: Pick<OtherRow, 'kind' | 'schema' | 'name'>): string {
  return `${kind} ${schema === '' ? name : `${schema}.${name}`}`
}
