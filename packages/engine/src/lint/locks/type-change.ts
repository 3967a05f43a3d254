import type { Catalog } from '../../catalog/model.ts'

/**
 * What ALTER COLUMN TYPE does to the stored rows: `none` leaves them, `rewrite` writes the table and all its indexes anew,
 * `zone` does so unless the session's time zone is UTC, `unknown` when the types say too little.
 */
export type TypeChange = 'none' | 'rewrite' | 'zone' | 'unknown'

interface Type {
  readonly base: string
  readonly modifiers: readonly number[]
  readonly isArray: boolean
}

/** Types whose stored form is the same and whose cast has no function: pg_cast's binary coercible pairs that columns have. */
const SAME_FORM = new Set([
  'cidr inet',
  'integer oid',
  'oid integer',
  'integer regclass',
  'oid regclass',
  'regclass oid',
  'regclass integer',
  'integer regproc',
  'integer regtype',
  'regtype oid',
  'oid regtype',
  'xml text',
  'xml character varying',
  'text character varying',
  'character varying text',
  'bit bit varying',
  'bit varying bit',
  'pg_node_tree text',
])

/** Types whose modifier is a limit that may grow without a look at the rows. */
const LIMITED = new Set([
  'character varying',
  'bit varying',
  'timestamp without time zone',
  'timestamp with time zone',
  'time without time zone',
  'time with time zone',
  'interval',
])

/** Both types as the catalog prints them (`numeric(14,2)`). A test changes columns on a server and compares. */
export function typeChange(before: string, after: string, catalog: Catalog): TypeChange {
  if (before === after) return 'none'
  const [from, to] = [typeOf(before), typeOf(after)]
  const [source, target] = [catalog.types.get(from.base), catalog.types.get(to.base)]
  if (target?.kind === 'domain' && !to.isArray) {
    if (target.checks.length > 0 || target.notNull) return 'rewrite'
    return typeChange(before, target.base ?? '', catalog)
  }
  if (source?.kind === 'domain' && !from.isArray) return typeChange(source.base ?? '', after, catalog)
  if (from.isArray || to.isArray) return 'rewrite'
  if (isForeign(from.base) && isForeign(to.base) && !(source && target)) return 'unknown'
  if (isForeign(from.base) || isForeign(to.base)) return extensionChange(from, to)
  if (isZoneChange(from.base, to.base)) return grows(from, to) ? 'zone' : 'rewrite'
  if (from.base !== to.base && !SAME_FORM.has(`${from.base} ${to.base}`)) return 'rewrite'
  return modifierChange(from, to)
}

/** `citext` is stored as text. */
function extensionChange(from: Type, to: Type): TypeChange {
  const name = ({ base }: Type) => base.replace(/^.*\./, '')
  const texts = new Set(['text', 'character varying', 'citext'])
  if (texts.has(name(from)) && texts.has(name(to))) return to.modifiers.length === 0 ? 'none' : 'rewrite'
  return 'rewrite'
}

/** Whether indexes on the column are built anew although its rows stay: other operators compare its values. */
export function rebuildsIndexes(before: string, after: string, catalog: Catalog): boolean {
  return operators(before, catalog) !== operators(after, catalog)
}

const OPERATORS: Record<string, string> = {
  'character varying': 'text',
  cidr: 'inet',
  regclass: 'oid',
  regtype: 'oid',
  regproc: 'oid',
}

/** The type whose operators compare the values. */
function operators(type: string, { types }: Catalog): string {
  const { base } = typeOf(type)
  const domain = types.get(base)?.kind === 'domain' ? types.get(base)?.base : null
  const own = domain ? typeOf(domain).base : base
  return OPERATORS[own] ?? own
}

/** Whether values of the old type may not fit: they are cut or refused. */
export function isNarrower(before: string, after: string): boolean {
  const [from, to] = [typeOf(before), typeOf(after)]
  if (from.isArray !== to.isArray) return false
  const [a, b] = [SIZES[from.base], SIZES[to.base]]
  if (a && b && a.family === b.family && from.base !== to.base) return b.rank < a.rank
  const isText = (base: string) => base === 'text' || base === 'character varying' || base === 'character'
  if (isText(from.base) && isText(to.base)) return isShorter(limit(from), limit(to))
  if (from.base !== to.base) return a !== undefined && b !== undefined && !(a.family === 'int' && b.family === 'number')
  if (from.base === 'numeric') return isNumericNarrower(from.modifiers, to.modifiers)
  return LIMITED.has(from.base) && isShorter(from.modifiers[0], to.modifiers[0])
}

const SIZES: Record<string, { family: string; rank: number }> = {
  smallint: { family: 'int', rank: 1 },
  integer: { family: 'int', rank: 2 },
  bigint: { family: 'int', rank: 3 },
  real: { family: 'number', rank: 1 },
  'double precision': { family: 'number', rank: 2 },
  numeric: { family: 'number', rank: 3 },
  date: { family: 'time', rank: 1 },
  'timestamp without time zone': { family: 'time', rank: 2 },
  'timestamp with time zone': { family: 'time', rank: 3 },
}

function limit({ base, modifiers }: Type): number | undefined {
  return base === 'text' ? undefined : (modifiers[0] ?? (base === 'character' ? 1 : undefined))
}

function isShorter(before: number | undefined, after: number | undefined): boolean {
  return after !== undefined && (before === undefined || after < before)
}

function isNumericNarrower(before: readonly number[], after: readonly number[]): boolean {
  const [precision, scale = 0] = after
  if (precision === undefined) return false
  const [oldPrecision, oldScale = 0] = before
  return oldPrecision === undefined || scale < oldScale || precision - scale < oldPrecision - oldScale
}

function modifierChange(from: Type, to: Type): TypeChange {
  if (from.base === 'numeric') {
    const [oldPrecision, oldScale = 0] = from.modifiers
    const [precision, scale = 0] = to.modifiers
    if (precision === undefined) return 'none'
    return oldPrecision !== undefined && scale === oldScale && precision >= oldPrecision ? 'none' : 'rewrite'
  }
  if (from.base === 'character' || to.base === 'character' || to.base === 'bit')
    return from.base === to.base && (from.modifiers[0] ?? 1) === (to.modifiers[0] ?? 1) ? 'none' : 'rewrite'
  if (from.base === 'bit') return to.modifiers[0] === undefined ? 'none' : 'rewrite'
  if (!LIMITED.has(to.base)) return 'none'
  return grows(from, to) ? 'none' : 'rewrite'
}

function grows(from: Type, to: Type): boolean {
  const isTime = to.base.startsWith('time') || to.base === 'interval'
  const most = isTime ? 6 : Infinity
  const before = (from.base === to.base || isTime ? from.modifiers[0] : undefined) ?? most
  return (to.modifiers[0] ?? most) >= before
}

function isZoneChange(from: string, to: string): boolean {
  const stamps = ['timestamp without time zone', 'timestamp with time zone']
  return from !== to && stamps.includes(from) && stamps.includes(to)
}

/** A type with a schema is a user's or an extension's. */
function isForeign(base: string): boolean {
  return base.includes('.')
}

function typeOf(text: string): Type {
  const isArray = text.endsWith('[]')
  const plain = isArray ? text.slice(0, -2) : text
  const modifiers = /\(([\d, ]+)\)/.exec(plain)?.[1]?.split(',').map(Number) ?? []
  return {
    base: plain
      .replace(/\([\d, ]+\)/, '')
      .replaceAll(/\s+/g, ' ')
      .trim(),
    modifiers,
    isArray,
  }
}
