import type { Database } from '@imhotep/postgres'
import type { Difference } from './compare.ts'
import { IN_USER_SCHEMA, notOfExtension } from './live/fragments.ts'

/**
 * One property that the catalog model does not hold, as a line that may be shown: options of foreign objects, which may be
 * passwords, are digests of the catalog.
 */
export interface Detail {
  /** `text search mapping shop.german`. */
  readonly object: string
  /** Empty outside schemas. */
  readonly schema: string
  readonly detail: string
}

/**
 * What a database holds beyond the catalog model, read by its names alone. The model knows none of it on either side of a
 * proof: without this list a proof would compare nothing with nothing.
 */
export async function readDetails(db: Database): Promise<Detail[]> {
  return db.transaction((tx) => tx.query<Detail>(detailsQuery), {
    isolation: 'repeatable read',
    readOnly: true,
    first: [{ sql: `select pg_catalog.set_config('search_path', '', true)`, params: [] }],
  })
}

/** As sets of lines: which of two lines is the other one's, nobody has to know. */
export function compareDetails(left: readonly Detail[], right: readonly Detail[]): Difference[] {
  const line = ({ object, detail }: Detail) => `${object} (${detail})`
  const [own, others] = [new Set(left.map(line)), new Set(right.map(line))]
  const difference = (kind: 'missing' | 'extra', object: string): Difference => ({
    object,
    kind,
    property: null,
    left: kind === 'missing' ? object : null,
    right: kind === 'extra' ? object : null,
  })
  return [
    ...[...own].filter((object) => !others.has(object)).map((object) => difference('missing', object)),
    ...[...others].filter((object) => !own.has(object)).map((object) => difference('extra', object)),
  ]
}

/** The first object that a user can make has this OID: below are PostgreSQL's own. */
const FIRST_USER_OID = 16384

/** The object's name as PostgreSQL identifies it, its schema, and its property. */
function branch(kind: string, catalog: string, detail: string, from: string, where: string): string {
  return `
  select '${kind} ' || i.identity as object, coalesce(i.schema, '') as schema, ${detail} as detail
  from ${from}
    cross join lateral pg_catalog.pg_identify_object('pg_catalog.${catalog}'::pg_catalog.regclass, o.oid, 0) i
  where ${where} and ${notOfExtension(catalog, 'o.oid')}`
}

/** Objects in schemas of the user's; `o` is their catalog. */
function inSchemas(
  kind: string,
  catalog: string,
  prefix: string,
  detail: string,
  condition = 'true',
  joins = '',
): string {
  const from = `pg_catalog.${catalog} o join pg_catalog.pg_namespace n on n.oid = o.${prefix}namespace ${joins}`
  return branch(kind, catalog, detail, from, `${IN_USER_SCHEMA} and ${condition}`)
}

/** Objects in no schema. */
function ofDatabase(kind: string, catalog: string, detail: string, condition = 'true', joins = ''): string {
  return branch(
    kind,
    catalog,
    detail,
    `pg_catalog.${catalog} o ${joins}`,
    `o.oid >= ${FIRST_USER_OID} and ${condition}`,
  )
}

const proc = (oid: string) => `coalesce(nullif(${oid}::pg_catalog.oid, 0)::pg_catalog.regprocedure::text, '-')`
const rights = (acl: string) =>
  `coalesce((select pg_catalog.string_agg(a::text, ',' order by a::text) from pg_catalog.unnest(${acl}) a), 'default')`
const texts = (list: string) => `coalesce(pg_catalog.array_to_string(${list}, ','), '')`

const detailsQuery = [
  inSchemas(
    'text search mapping',
    'pg_ts_config',
    'cfg',
    `t.alias || ': ' || m.mapseqno || ' ' || m.mapdict::pg_catalog.regdictionary`,
    'true',
    `join pg_catalog.pg_ts_config_map m on m.mapcfg = o.oid
    join lateral pg_catalog.ts_token_type(o.cfgparser) t on t.tokid = m.maptokentype`,
  ),
  inSchemas(
    'text search dictionary',
    'pg_ts_dict',
    'dict',
    `dicttemplate::pg_catalog.oid::text || ' ' || coalesce(dictinitoption, '')`,
    // Templates of users have other numbers on each side.
    `dicttemplate < ${FIRST_USER_OID}`,
  ),
  inSchemas(
    'operator of family',
    'pg_opfamily',
    'opf',
    `m.amopstrategy || ' ' || m.amopopr::pg_catalog.regoperator`,
    'true',
    'join pg_catalog.pg_amop m on m.amopfamily = o.oid',
  ),
  inSchemas(
    'function of family',
    'pg_opfamily',
    'opf',
    `m.amprocnum || ' ' || pg_catalog.format_type(m.amproclefttype, null) || ' ' || ${proc('m.amproc')}`,
    'true',
    'join pg_catalog.pg_amproc m on m.amprocfamily = o.oid',
  ),
  inSchemas(
    'range type',
    'pg_type',
    'typ',
    `pg_catalog.concat_ws(', ', 'multirange ' || r.rngmultitypid::pg_catalog.regtype, 'canonical ' || ${proc('r.rngcanonical')},
      'subtype_diff ' || ${proc('r.rngsubdiff')}, 'operator class ' || c.opcname)`,
    'true',
    `join pg_catalog.pg_range r on r.rngtypid = o.oid join pg_catalog.pg_opclass c on c.oid = r.rngsubopc`,
  ),
  inSchemas(
    'base type',
    'pg_type',
    'typ',
    `pg_catalog.concat_ws(', ', case when o.typisdefined then 'whole' else 'shell' end, o.typlen, o.typbyval, o.typalign,
      o.typstorage, o.typcategory, ${proc('o.typinput')}, ${proc('o.typoutput')}, ${proc('o.typreceive')},
      ${proc('o.typsend')}, ${proc('o.typmodin')}, ${proc('o.typmodout')}, ${proc('o.typanalyze')})`,
    `o.typtype in ('b', 'p') and o.typelem = 0`,
  ),
  inSchemas(
    'function',
    'pg_proc',
    'pro',
    `pg_catalog.concat_ws(', ', o.prokind, o.probin, 'support ' || o.prosupport::pg_catalog.oid::pg_catalog.regproc,
      'transforms ' || (select pg_catalog.string_agg(pg_catalog.format_type(t, null), ' ') from pg_catalog.unnest(o.protrftypes) t))`,
    `(o.prokind = 'w' or o.probin is not null or o.prosupport <> 0 or o.protrftypes is not null)`,
  ),
  inSchemas(
    'storage',
    'pg_class',
    'rel',
    `(select 'access method ' || amname from pg_catalog.pg_am where oid = o.relam)`,
    `o.relkind in ('r', 'm')`,
  ),
  inSchemas(
    'clustered table',
    'pg_class',
    'rel',
    `'on ' || x.indexrelid::pg_catalog.regclass`,
    'x.indisclustered',
    'join pg_catalog.pg_index x on x.indrelid = o.oid',
  ),
  inSchemas(
    'index key',
    'pg_class',
    'rel',
    `a.attnum || ': ' || pg_catalog.concat_ws(', ', ${texts('a.attoptions')}, 'statistics ' || nullif(a.attstattarget, -1))`,
    `o.relkind in ('i', 'I') and (a.attoptions is not null or a.attstattarget >= 0)`,
    'join pg_catalog.pg_attribute a on a.attrelid = o.oid',
  ),
  inSchemas(
    'column',
    'pg_class',
    'rel',
    `pg_catalog.concat_ws(', ', a.attname, 'statistics ' || nullif(a.attstattarget, -1), 'storage ' || a.attstorage::text,
      'compression ' || a.attcompression::text)`,
    `o.relkind in ('m', 'f') and a.attnum > 0 and not a.attisdropped`,
    'join pg_catalog.pg_attribute a on a.attrelid = o.oid',
  ),
  inSchemas(
    'foreign table',
    'pg_class',
    'rel',
    `pg_catalog.concat_ws(', ', s.srvname, 'of ' || (
        select pg_catalog.string_agg(inhparent::pg_catalog.regclass::text, ' ') from pg_catalog.pg_inherits where inhrelid = o.oid
      ), 'rights ' || ${rights('o.relacl')})`,
    'true',
    `join pg_catalog.pg_foreign_table f on f.ftrelid = o.oid
    join pg_catalog.pg_foreign_server s on s.oid = f.ftserver`,
  ),
  inSchemas('statistics', 'pg_statistic_ext', 'stx', `'target ' || o.stxstattarget`, 'o.stxstattarget >= 0'),
  ofDatabase('transform', 'pg_transform', `${proc('o.trffromsql')} || ', ' || ${proc('o.trftosql')}`),
  ofDatabase('foreign data wrapper', 'pg_foreign_data_wrapper', `'rights ' || ${rights('o.fdwacl')}`),
  ofDatabase('foreign server', 'pg_foreign_server', `'rights ' || ${rights('o.srvacl')}`),
  `
  select 'language ' || lanname, '', 'rights ' || ${rights('lanacl')} from pg_catalog.pg_language`,
  `
  select 'trigger ' || t.tgname || ' on ' || t.tgrelid::pg_catalog.regclass, n.nspname::text, pg_catalog.pg_get_triggerdef(t.oid)
  from pg_catalog.pg_trigger t
    join pg_catalog.pg_class c on c.oid = t.tgrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind = 'f' and not t.tgisinternal`,
  `
  select 'comment on ' || i.type || ' ' || i.identity, coalesce(i.schema, ''), d.description
  from pg_catalog.pg_description d
    cross join lateral pg_catalog.pg_identify_object(d.classoid, d.objoid, d.objsubid) i
  where d.objoid >= ${FIRST_USER_OID} and d.classoid <> 'pg_catalog.pg_extension'::pg_catalog.regclass
    and i.identity is not null and not exists (
      select from pg_catalog.pg_depend e where e.classid = d.classoid and e.objid = d.objoid and e.deptype = 'e'
    )`,
  `
  select 'security label ' || l.provider || ' on ' || l.objtype || ' ' || l.objname,
    coalesce((select nspname::text from pg_catalog.pg_namespace where oid = l.objnamespace), ''), l.label
  from pg_catalog.pg_seclabels l`,
  `
  select 'extension ' || x.extname || ' of ' || i.type || ' ' || i.identity, coalesce(i.schema, ''), 'depends'
  from pg_catalog.pg_depend d
    join pg_catalog.pg_extension x on x.oid = d.refobjid
    cross join lateral pg_catalog.pg_identify_object(d.classid, d.objid, d.objsubid) i
  where d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass and d.deptype = 'x'`,
].join('\n  union all')
