import { randomBytes } from 'node:crypto'
import { compareText } from '../../modules/compare-text.ts'
import type { Catalog } from '../model.ts'
import { commentOf, IN_USER_SCHEMA, notOfExtension } from './fragments.ts'

/** The first object that a user can make has this OID: below are PostgreSQL's own. */
const FIRST_USER_OID = 16384

/** Options may be passwords: a digest that is of use to this process alone says that one is another, and nothing else. */
const DIGEST_KEY = randomBytes(16).toString('hex')

/** The digests of named values, from queries that give a name and a text each. */
function digests(...queries: string[]) {
  return `(
      select coalesce(pg_catalog.json_object_agg(v.name, pg_catalog.encode(pg_catalog.sha256(
        pg_catalog.convert_to('${DIGEST_KEY}' || v.value, 'UTF8')), 'hex') order by v.name collate "C"), '{}')
      from (${queries.join(' union all ')}) v (name, value) where v.value is not null
    )`
}

/** Values of one row, as a query for `digests`. */
function valuesOf(values: Readonly<Record<string, string>>) {
  const rows = Object.entries(values).map(([name, value]) => `('${name}', (${value})::text)`)
  return `select * from (values ${rows.join(', ')}) own`
}

function optionsOf(options: string) {
  return `select 'option ' || p.option_name, p.option_value from pg_catalog.pg_options_to_table(${options}) p`
}

const NO_DIGESTS = 'null::json'

/** One branch of the query: a kind in a schema. `o` is its catalog, with `name` and the column of its schema. */
function inSchema(
  kind: string,
  catalog: string,
  prefix: string,
  { name = `o.${prefix}name::text`, definition = 'null', digests = NO_DIGESTS } = {},
) {
  return `
  select '${kind}' as kind, n.nspname::text as schema, ${name} as name, ${definition} as definition,
    ${commentOf(catalog, 'o.oid')} as comment, ${digests} as digests
  from pg_catalog.${catalog} o join pg_catalog.pg_namespace n on n.oid = o.${prefix}namespace
  where o.oid >= ${FIRST_USER_OID} and ${IN_USER_SCHEMA} and ${notOfExtension(catalog, 'o.oid')}`
}

/** The same for a kind that is in no schema. */
function inDatabase(
  kind: string,
  catalog: string,
  name: string,
  { definition = 'null', condition = 'true', digests = NO_DIGESTS } = {},
) {
  return `
  select '${kind}', '', ${name}, ${definition}, ${commentOf(catalog, 'o.oid')}, ${digests}
  from pg_catalog.${catalog} o
  where o.oid >= ${FIRST_USER_OID} and ${notOfExtension(catalog, 'o.oid')} and ${condition}`
}

const type = (oid: string) => `pg_catalog.format_type(${oid}, null)`

const inItsSchema = (catalog: string, prefix: string, oid: string) => `
        select n.nspname || '.' || t.${prefix}name
        from pg_catalog.${catalog} t join pg_catalog.pg_namespace n on n.oid = t.${prefix}namespace where t.oid = ${oid}`

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

const COLUMNS = 'pg_catalog.pg_attribute a where a.attrelid = f.ftrelid and a.attnum > 0 and not a.attisdropped'

/** Without options alone: those may be passwords. */
const foreignTableDefinition = `(
      select 'create foreign table ' || c.oid::pg_catalog.regclass::text || ' (' || (
          select pg_catalog.string_agg(pg_catalog.quote_ident(a.attname) || ' '
            || pg_catalog.format_type(a.atttypid, a.atttypmod) || case when a.attnotnull then ' not null' else '' end,
            ', ' order by a.attnum)
          from ${COLUMNS}
        ) || ') server ' || pg_catalog.quote_ident(s.srvname)
      from pg_catalog.pg_class c join pg_catalog.pg_foreign_server s on s.oid = f.ftserver
      where c.oid = f.ftrelid and f.ftoptions is null
        and not exists (select from ${COLUMNS} and a.attfdwoptions is not null)
    )`

const routine = (oid: string) => `nullif(${oid}::pg_catalog.oid, 0)::pg_catalog.regprocedure`

/** What columns of a catalog name, by what their values are called. */
const routines = (columns: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, routine(`o.${column}`)]))

/** PostgreSQL 17 calls the locale of ICU as its own does, and 16 and 17 each brought a column. */
const collationDefinition = `(
      select pg_catalog.format('create collation %I.%I (provider = %s', n.nspname, o.collname,
          case o.collprovider when 'i' then 'icu' when 'b' then 'builtin' else 'libc' end)
        || pg_catalog.concat(', locale = ' || pg_catalog.quote_literal(coalesce(own ->> 'colllocale', own ->> 'colliculocale')),
          ', lc_collate = ' || pg_catalog.quote_literal(own ->> 'collcollate'),
          ', lc_ctype = ' || pg_catalog.quote_literal(own ->> 'collctype'),
          case when not o.collisdeterministic then ', deterministic = false' end,
          ', rules = ' || pg_catalog.quote_literal(own ->> 'collicurules')) || ')'
      from pg_catalog.to_jsonb(o) own
    )`

/** Families and classes of two access methods may have one name. */
const nameOfMethod = (prefix: string) =>
  `o.${prefix}name || ' using ' || (select amname from pg_catalog.pg_am where oid = o.${prefix}method)`

const operatorDigests = digests(
  valuesOf({
    function: routine('o.oprcode'),
    result: type('o.oprresult'),
    commutator: 'nullif(o.oprcom, 0)::pg_catalog.regoperator',
    negator: 'nullif(o.oprnegate, 0)::pg_catalog.regoperator',
    restrict: routine('o.oprrest'),
    join: routine('o.oprjoin'),
    hashes: 'o.oprcanhash',
    merges: 'o.oprcanmerge',
  }),
)

const operatorClassDigests = digests(
  valuesOf({
    type: type('o.opcintype'),
    storage: `pg_catalog.format_type(nullif(o.opckeytype, 0), null)`,
    default: 'o.opcdefault',
    family: inItsSchema('pg_opfamily', 'opf', 'o.opcfamily'),
  }),
)

const operatorFamilyDigests = digests(
  `select 'operator ' || m.amopstrategy || ' of ' || ${type('m.amoplefttype')} || ' and ' || ${type('m.amoprighttype')},
        pg_catalog.concat_ws(' for order by ', m.amopopr::pg_catalog.regoperator, (${inItsSchema('pg_opfamily', 'opf', 'm.amopsortfamily')}))
      from pg_catalog.pg_amop m where m.amopfamily = o.oid`,
  `select 'function ' || m.amprocnum || ' of ' || ${type('m.amproclefttype')} || ' and ' || ${type('m.amprocrighttype')},
        ${routine('m.amproc')}::text
      from pg_catalog.pg_amproc m where m.amprocfamily = o.oid`,
)

const conversionDigests = digests(
  valuesOf({
    default: 'o.condefault',
    from: 'pg_catalog.pg_encoding_to_char(o.conforencoding)',
    to: 'pg_catalog.pg_encoding_to_char(o.contoencoding)',
    function: routine('o.conproc'),
  }),
)

const accessMethodDigests = digests(valuesOf({ type: 'o.amtype', handler: routine('o.amhandler') }))

const languageDigests = digests(
  valuesOf({
    trusted: 'o.lanpltrusted',
    ...routines({ handler: 'lanplcallfoid', inline: 'laninline', validator: 'lanvalidator' }),
  }),
)

const baseTypeDigests = digests(
  valuesOf({
    'being defined': 'o.typisdefined',
    length: 'o.typlen',
    'passing by value': 'o.typbyval',
    alignment: 'o.typalign',
    storage: 'o.typstorage',
    category: `o.typcategory::text || case when o.typispreferred then ' preferred' else '' end`,
    delimiter: 'o.typdelim',
    default: 'o.typdefault',
    collatable: 'o.typcollation <> 0',
    ...routines({
      input: 'typinput',
      output: 'typoutput',
      receive: 'typreceive',
      send: 'typsend',
      typmod_in: 'typmodin',
      typmod_out: 'typmodout',
      analyze: 'typanalyze',
      subscript: 'typsubscript',
    }),
  }),
)

const parserDigests = digests(
  valuesOf(
    routines({
      start: 'prsstart',
      gettoken: 'prstoken',
      end: 'prsend',
      headline: 'prsheadline',
      lextypes: 'prslextype',
    }),
  ),
)

const templateDigests = digests(valuesOf(routines({ init: 'tmplinit', lexize: 'tmpllexize' })))

const dictionaryDigests = digests(
  valuesOf({ template: inItsSchema('pg_ts_template', 'tmpl', 'o.dicttemplate'), options: 'o.dictinitoption' }),
)

const configurationDigests = digests(
  valuesOf({ parser: inItsSchema('pg_ts_parser', 'prs', 'o.cfgparser') }),
  `select 'mapping of ' || t.alias, pg_catalog.string_agg((${inItsSchema('pg_ts_dict', 'dict', 'm.mapdict')}), ', '
          order by m.mapseqno)
      from pg_catalog.pg_ts_config_map m join pg_catalog.ts_token_type(o.cfgparser) t on t.tokid = m.maptokentype
      where m.mapcfg = o.oid group by t.alias`,
)

const wrapperDigests = digests(
  optionsOf('o.fdwoptions'),
  valuesOf(routines({ handler: 'fdwhandler', validator: 'fdwvalidator' })),
)

const serverDigests = digests(
  optionsOf('o.srvoptions'),
  valuesOf({
    'foreign data wrapper': 'select fdwname from pg_catalog.pg_foreign_data_wrapper where oid = o.srvfdw',
    type: 'o.srvtype',
    version: 'o.srvversion',
  }),
)

const foreignTableDigests = digests(
  optionsOf('f.ftoptions'),
  `select 'option ' || p.option_name || ' of ' || a.attname, p.option_value
      from (select a.* from ${COLUMNS}) a cross join lateral pg_catalog.pg_options_to_table(a.attfdwoptions) p`,
  `select 'column ' || a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod) || a.attnotnull::text from ${COLUMNS}`,
  `select 'foreign server', (select srvname from pg_catalog.pg_foreign_server where oid = f.ftserver)`,
)

/** Those who may not see the options get null, which is also what stands for none. */
const mappingDigests = `case when m.umoptions is not null
      or (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then ${digests(optionsOf('m.umoptions'))} end`

/** What needs another one comes behind it: kind by kind. */
export const othersQuery = [
  inSchema('collation', 'pg_collation', 'coll', { definition: collationDefinition }),
  inDatabase('access method', 'pg_am', 'o.amname::text', { digests: accessMethodDigests }),
  inSchema('operator', 'pg_operator', 'opr', { name: operatorName, digests: operatorDigests }),
  inSchema('operator family', 'pg_opfamily', 'opf', { name: nameOfMethod('opf'), digests: operatorFamilyDigests }),
  inSchema('operator class', 'pg_opclass', 'opc', { name: nameOfMethod('opc'), digests: operatorClassDigests }),
  inSchema('text search parser', 'pg_ts_parser', 'prs', { digests: parserDigests }),
  inSchema('text search template', 'pg_ts_template', 'tmpl', { digests: templateDigests }),
  inSchema('text search dictionary', 'pg_ts_dict', 'dict', { digests: dictionaryDigests }),
  inSchema('text search configuration', 'pg_ts_config', 'cfg', { digests: configurationDigests }),
  inSchema('conversion', 'pg_conversion', 'con', { digests: conversionDigests }),
  inDatabase('cast', 'pg_cast', `${type('o.castsource')} || ' as ' || ${type('o.casttarget')}`, {
    definition: castDefinition,
    condition: NOT_OF_TYPE,
  }),
  inDatabase('language', 'pg_language', 'o.lanname::text', { digests: languageDigests }),
  inDatabase('foreign data wrapper', 'pg_foreign_data_wrapper', 'o.fdwname::text', { digests: wrapperDigests }),
  inDatabase('foreign server', 'pg_foreign_server', 'o.srvname::text', { digests: serverDigests }),
  `
  select 'user mapping', '', m.usename || ' on ' || m.srvname, null, null, ${mappingDigests}
  from pg_catalog.pg_user_mappings m`,
  `
  select 'foreign table', n.nspname::text, o.relname::text, ${foreignTableDefinition},
    ${commentOf('pg_class', 'o.oid')}, ${foreignTableDigests}
  from pg_catalog.pg_foreign_table f
    join pg_catalog.pg_class o on o.oid = f.ftrelid
    join pg_catalog.pg_namespace n on n.oid = o.relnamespace
  where ${IN_USER_SCHEMA} and ${notOfExtension('pg_class', 'o.oid')}`,
  `
  select 'base type', n.nspname::text, o.typname::text, null, ${commentOf('pg_type', 'o.oid')}, ${baseTypeDigests}
  from pg_catalog.pg_type o join pg_catalog.pg_namespace n on n.oid = o.typnamespace
  where o.oid >= ${FIRST_USER_OID} and o.typtype in ('b', 'p') and o.typelem = 0 and ${IN_USER_SCHEMA} and ${notOfExtension('pg_type', 'o.oid')}`,
].join('\n  union all')

export interface OtherRow {
  kind: string
  schema: string
  name: string
  definition: string | null
  comment: string | null
  digests: Record<string, string> | null
}

export function addOthers(catalog: Catalog, rows: OtherRow[]): void {
  const kinds = [...new Set(rows.map(({ kind }) => kind))]
  const ordered = rows.toSorted(
    (a, b) => kinds.indexOf(a.kind) - kinds.indexOf(b.kind) || compareText(otherKey(a), otherKey(b)),
  )
  for (const row of ordered) catalog.others.set(otherKey(row), { ...row, grants: [] })
}

export function otherKey({ kind, schema, name }: Pick<OtherRow, 'kind' | 'schema' | 'name'>): string {
  return `${kind} ${schema === '' ? name : `${schema}.${name}`}`
}
