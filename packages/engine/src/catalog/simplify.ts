import { isLocationKey } from '../parse/parse-sql.ts'
import { path } from '../parse/references.ts'
import { intervalKey } from './interval-key.ts'
import { timeKey } from './time-key.ts'

type Tree = Record<string, unknown>

/**
 * A parse tree without the differences between what people write and what PostgreSQL prints back: casts that it adds,
 * IN for = ANY, BETWEEN, LIKE, pg_catalog in front of names, aliases of sub-selects, positions.
 */
export function simplify(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(simplify)
  if (typeof value !== 'object' || value === null) return value
  const tree = value as Tree
  const [tag] = Object.keys(tree)
  const content = tag === undefined ? undefined : tree[tag]
  const rule = tag === undefined ? undefined : RULES[tag]
  if (rule && typeof content === 'object' && content !== null) return rule(content as Tree)
  return plain(tree)
}

function plain(tree: Tree): Tree {
  const result: Tree = {}
  for (const key of Object.keys(tree).toSorted()) {
    if (isLocationKey(key) || NOISE.has(key)) continue
    const child = tree[key]
    result[key] = NAME_LISTS.has(key)
      ? withoutCatalog(child)
      : UNTAGGED_TYPES.has(key)
        ? typeName(child as Tree)
        : simplify(child)
  }
  return result
}

/** How a call was spelled, and names of constraints: the model compares those elsewhere. */
const NOISE = new Set(['funcformat', 'row_format', 'conname', 'alias', 'is_enforced'])
const NAME_LISTS = new Set(['funcname', 'name', 'names', 'collname', 'opclass'])
const UNTAGGED_TYPES = new Set(['typeName', 'argType', 'returnType'])

function withoutCatalog(names: unknown): unknown {
  if (!Array.isArray(names)) return simplify(names)
  const parts = path(names)
  return parts[0] === 'pg_catalog' || parts[0] === 'public' ? parts.slice(1) : parts
}

function typeName(type: Tree): unknown {
  const { names, typmods, arrayBounds, setof } = type
  return {
    names: withoutCatalog(names),
    typmods: simplify(typmods ?? []),
    array: Array.isArray(arrayBounds),
    setof: setof === true,
  }
}

const RULES: Record<string, (content: Tree) => unknown> = {
  FuncCall: simplifyCall,
  A_Const: (constant) => ({ constant: constantText(constant) }),
  TypeCast: simplifyCast,
  A_Expr: simplifyOperator,
  BoolExpr: simplifyBoolean,
  ColumnRef: (column) => ({ column: columnName(column['fields']) }),
  ResTarget: (target) => simplify(target['val']),
  CaseExpr: (expression) => {
    const otherwise = simplify(expression['defresult'])
    const isNull = JSON.stringify(otherwise) === JSON.stringify({ constant: null })
    return { case: simplify(expression['args']), of: simplify(expression['arg']), else: isNull ? undefined : otherwise }
  },
  TypeName: typeName,
}

/** Every constant as text: `-1` is printed back as `'-1'::integer`. */
function constantText(constant: Tree): string | null {
  if (constant['isnull'] === true) return null
  const [kind, value] = Object.entries(constant).find(([key]) => !isLocationKey(key)) ?? []
  if (typeof value !== 'object' || value === null) return ''
  const inner = Object.values(value)[0] as string | number | boolean | undefined
  if (kind === 'ival') return String(inner ?? 0)
  if (kind === 'boolval') return String(inner ?? false)
  const text = String(inner ?? '')
  if (kind === 'fval') return plainNumber(text)
  return jsonKey(text) ?? clockKey(text)
}

/** `1e15` is printed back with all its digits. */
function plainNumber(text: string): string {
  return /e/i.test(text) && Number.isSafeInteger(Number(text)) ? String(Number(text)) : text
}

/** One text for all spellings of a date, time or interval. */
function clockKey(text: string): string {
  const time = timeKey(text)
  return time === text ? intervalKey(text) : time
}

/** A JSON document with sorted keys: jsonb keeps its own order. Null for other texts. */
function jsonKey(text: string): string | null {
  if (!/^\s*[{[]/.test(text)) return null
  try {
    return JSON.stringify(JSON.parse(text), (_, value: unknown) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
        : value,
    )
  } catch {
    return null
  }
}

/** Types to which PostgreSQL casts on its own account when it compares, adds or passes values. */
const ADDED_CASTS = new Set(
  'text varchar bpchar name citext int2 int4 int8 numeric float4 float8 timestamptz timestamp date oid'.split(' '),
)

/** `nextval('s')` is kept as `nextval('s'::regclass)`. */
function simplifyCall(call: Tree): unknown {
  const { args, ...rest } = plain(call)
  const text = constantOf((args as unknown[] | undefined)?.[0])
  const isCounter = COUNTERS.has(path(call['funcname']).at(-1) ?? '') && typeof text === 'string'
  return { ...rest, args: isCounter ? [relationConstant(text), ...(args as unknown[]).slice(1)] : args }
}

const COUNTERS = new Set(['nextval', 'currval', 'setval'])

/** A relation's name in a string, folded as PostgreSQL folds it; `public` comes and goes with the search path. */
function relationConstant(text: string): unknown {
  const name = text.replace(/"(?:[^"]|"")*"|[^"]+/g, (part) => (part.startsWith('"') ? part : part.toLowerCase()))
  return { relation: name.trim().replace(/^public\s*\.\s*/, '') }
}

function constantOf(value: unknown): string | null | undefined {
  return (value as { constant?: string | null } | null | undefined)?.constant
}

function simplifyCast(cast: Tree): unknown {
  const argument = simplify(cast['arg'])
  const type = path((cast['typeName'] as Tree)['names']).at(-1) ?? ''
  const constant = constantOf(argument)
  if (type === 'regclass' && typeof constant === 'string') return relationConstant(constant)
  if (constant !== undefined)
    return type === 'interval' && constant !== null ? { constant: intervalKey(constant) } : argument
  const isArray = (argument as { A_ArrayExpr?: unknown } | null)?.A_ArrayExpr !== undefined
  if (ADDED_CASTS.has(type) || isArray) return argument
  return { cast: argument, type: typeName(cast['typeName'] as Tree) }
}

function simplifyOperator(expression: Tree): unknown {
  const { kind } = expression
  const left = simplify(expression['lexpr'])
  const right = simplify(expression['rexpr'])
  const operator = path(expression['name']).at(-1) ?? ''
  const bounds = (right as { List?: { items?: unknown[] } } | null)?.List?.items ?? []
  switch (kind) {
    case 'AEXPR_IN':
      return listOfValues(operator, left, bounds)
    case 'AEXPR_OP_ANY':
      return call(operator, left, right, 'any')
    case 'AEXPR_OP_ALL':
      return call(operator, left, right, 'all')
    case 'AEXPR_BETWEEN':
      return { and: [call('>=', left, bounds[0]), call('<=', left, bounds[1])] }
    case 'AEXPR_NOT_BETWEEN':
      return { or: [call('<', left, bounds[0]), call('>', left, bounds[1])] }
    case 'AEXPR_NOT_DISTINCT':
      return { not: [call('is distinct from', left, right)] }
    case 'AEXPR_DISTINCT':
      return call('is distinct from', left, right)
    case 'AEXPR_NULLIF':
      return call('nullif', left, right)
    default:
      return call(operator === '!=' ? '<>' : operator, left, right)
  }
}

/** `(a, b) = (1, 2)` is kept as `a = 1 and b = 2`: rows are taken apart where their columns are equal, or not, each by itself. */
function call(operator: string, left: unknown, right: unknown, over?: string): unknown {
  const [a, b] = [rowOf(left), rowOf(right)]
  if (over !== undefined || !a || a.length !== b?.length || !APART.has(operator)) return { operator, over, left, right }
  const parts = a.map((item, n) => call(operator, item, b[n]))
  return parts.length === 1 ? parts[0] : joined(operator === '=' ? 'and' : 'or', parts)
}

const APART = new Set(['=', '<>', 'is distinct from'])

function rowOf(value: unknown): readonly unknown[] | undefined {
  return (value as { RowExpr?: { args?: unknown[] } } | null)?.RowExpr?.args
}

/** `x in (1, 2, y)` is kept as `x = any (array[1, 2]) or x = y`: only values without a column become an array, and no rows. */
function listOfValues(operator: string, left: unknown, values: readonly unknown[]): unknown {
  const fixed = rowOf(left) ? [] : values.filter((value) => !hasColumn(value))
  const each = (list: readonly unknown[]) => list.map((value) => call(operator, left, value))
  const array = () => call(operator, left, { A_ArrayExpr: { elements: fixed } }, operator === '=' ? 'any' : 'all')
  const parts = fixed.length > 1 ? [array(), ...each(values.filter(hasColumn))] : each(values)
  return parts.length === 1 ? parts[0] : { [operator === '=' ? 'or' : 'and']: parts }
}

function hasColumn(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return 'column' in value || Object.values(value).some(hasColumn)
}

/** `(a and b) and c` is `a and b and c`. */
function simplifyBoolean(expression: Tree): unknown {
  const word = String(expression['boolop']).replace('_EXPR', '').toLowerCase()
  const parts = simplify(expression['args']) as unknown[]
  if (word === 'not') return { not: parts }
  return joined(word, parts)
}

function joined(word: string, parts: readonly unknown[]): unknown {
  const inner = (part: unknown) => (part as Tree | null)?.[word]
  return { [word]: parts.flatMap((part) => (Array.isArray(inner(part)) ? (inner(part) as unknown[]) : [part])) }
}

/** Qualifiers of a column come and go with the query around it. */
function columnName(fields: unknown): string {
  return Array.isArray(fields) ? (path(fields).at(-1) ?? '*') : ''
}
