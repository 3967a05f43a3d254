import { quoteIdentifier } from '../../bundle/quote.ts'
import { path } from '../../parse/references.ts'
import { emptyCatalog } from '../model.ts'
import { DEFAULT_SCHEMA } from './fold.ts'
import { relationNamed, typeNamed, type Names } from './names.ts'

/** The TypeName node of a parse tree, as far as it is read here. */
export interface TypeNameLike {
  names?: unknown
  typmods?: unknown
  arrayBounds?: unknown
  setof?: boolean
  pct_type?: boolean
}

const NO_FOLD: Names = { catalog: emptyCatalog(), searchPath: [DEFAULT_SCHEMA] }

/** `typeText` where there is no fold: a name without schema is taken to be in `public`. */
export function formatType(type: TypeNameLike): string {
  return typeText(NO_FOLD, type)
}

/** A type as format_type prints it with an empty search path: `numeric(14,2)`, `timestamp with time zone`, `a.kind[]`. */
export function typeText(fold: Names, type: TypeNameLike): string {
  const names = path(type.names)
  const array = Array.isArray(type.arrayBounds) ? '[]' : ''
  if (type.pct_type) return typeOfColumn(fold, names) + array
  return baseName(fold, names, modifiers(type.typmods)) + array
}

/** Arguments and results of functions have no length or precision. */
export function withoutLength(type: string): string {
  return type.replace(/^((?:SETOF )?[a-z "]+)\(\d+(,-?\d+)?\)/, '$1')
}

function baseName(fold: Names, names: string[], mods: string[]): string {
  const name = names.at(-1) ?? ''
  const schema = names.length > 1 ? names.at(-2) : undefined
  const args = mods.length > 0 ? `(${mods.join(',')})` : ''
  if (schema !== undefined && schema !== 'pg_catalog') return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`
  switch (name) {
    case 'timestamptz':
      return `timestamp${args} with time zone`
    case 'timestamp':
      return `timestamp${args} without time zone`
    case 'timetz':
      return `time${args} with time zone`
    case 'time':
      return `time${args} without time zone`
    case 'interval':
      return mods.length === 2 ? `interval(${mods[1]})` : 'interval'
    case 'char':
      return '"char"'
    default:
  }
  const printed = PRINTED[name] ?? name
  if (schema === undefined && PRINTED[name] === undefined && !BUILT_IN.has(name))
    return userType(fold, name) + (name in EXTENSION_TYPES ? args : '')
  return printed + args
}

/** `t.x%type` is the type of that column when the statement runs. */
function typeOfColumn(fold: Names, names: string[]): string {
  const { key } = relationNamed(fold, names.slice(0, -1))
  return fold.catalog.tables.get(key)?.columns.get(names.at(-1) ?? '')?.type ?? `${names.join('.')}%TYPE`
}

function userType(fold: Names, name: string): string {
  const { catalog } = fold
  const own = typeNamed(fold, [name])
  const isKnown = catalog.types.has(own.key) || catalog.tables.has(own.key) || catalog.views.has(own.key)
  const extension = isKnown ? undefined : catalog.extensions.get(EXTENSION_TYPES[name] ?? '')
  return `${quoteIdentifier(extension?.schema ?? own.schema)}.${quoteIdentifier(name)}`
}

/** Types that extensions bring along: they are in the extension's schema. */
const EXTENSION_TYPES: Record<string, string> = {
  citext: 'citext',
  hstore: 'hstore',
  ltree: 'ltree',
  lquery: 'ltree',
  ltxtquery: 'ltree',
  cube: 'cube',
  vector: 'vector',
  halfvec: 'vector',
  sparsevec: 'vector',
  geometry: 'postgis',
  geography: 'postgis',
  raster: 'postgis_raster',
}

function modifiers(typmods: unknown): string[] {
  if (!Array.isArray(typmods)) return []
  return typmods.map((mod: { A_Const?: { ival?: { ival?: number } } }) => String(mod.A_Const?.ival?.ival ?? 0))
}

/** Types whose printed name is not their own. */
const PRINTED: Record<string, string> = {
  int2: 'smallint',
  int4: 'integer',
  int8: 'bigint',
  float4: 'real',
  float8: 'double precision',
  bool: 'boolean',
  varchar: 'character varying',
  bpchar: 'character',
  varbit: 'bit varying',
  numeric: 'numeric',
  decimal: 'numeric',
}

const BUILT_IN = new Set(
  `bit text uuid json jsonb jsonpath bytea date inet cidr macaddr macaddr8 money xml name oid xid xid8 cid tid regclass regproc
  regprocedure regtype regrole regnamespace regoper regoperator regconfig regdictionary regcollation tsvector tsquery point
  line lseg box path polygon circle int4range int8range numrange tsrange tstzrange daterange int4multirange int8multirange
  nummultirange tsmultirange tstzmultirange datemultirange pg_lsn pg_snapshot txid_snapshot record void trigger
  event_trigger internal cstring anyelement anyarray anynonarray anyenum anyrange anymultirange anycompatible
  anycompatiblearray anycompatiblenonarray anycompatiblerange anycompatiblemultirange any int2vector oidvector aclitem
  refcursor unknown`.split(/\s+/),
)
