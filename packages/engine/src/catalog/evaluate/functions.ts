import { quoteIdentifier, quoteLiteral } from '../../bundle/quote.ts'
import type { Fold } from '../files/fold.ts'
import { RUNNER } from './catalog-rows.ts'
import { DATABASE } from './standard-rows.ts'
import { refOf } from './refs.ts'
import { arrayOf, isArray, isEqual, isRef, textOf, undecided, type Value } from './value.ts'

type BuiltIn = (args: Value[], fold: Fold) => Value

/** Functions that give null for null. */
function strict(work: (texts: string[], fold: Fold) => Value): BuiltIn {
  return (args, fold) =>
    args.includes(null)
      ? null
      : work(
          args.map((arg) => textOf(arg) ?? ''),
          fold,
        )
}

const toRef = (type: string) => strict(([text = ''], fold) => refOf(fold, type, text))

/** Functions of pg_catalog that migrations decide by. */
export const FUNCTIONS: Record<string, BuiltIn> = {
  to_regclass: toRef('regclass'),
  to_regtype: toRef('regtype'),
  to_regnamespace: toRef('regnamespace'),
  to_regrole: toRef('regrole'),
  to_regproc: toRef('regproc'),
  to_regprocedure: toRef('regprocedure'),
  format: ([pattern = null, ...args]) => (pattern === null ? null : format(textOf(pattern) ?? '', args)),
  quote_ident: strict(([text = '']) => quoteIdentifier(text)),
  quote_literal: strict(([text = '']) => literal(text)),
  quote_nullable: ([value = null]) => (value === null ? 'NULL' : literal(textOf(value) ?? '')),
  lower: strict(([text = '']) => text.toLowerCase()),
  upper: strict(([text = '']) => text.toUpperCase()),
  length: strict(([text = '']) => Array.from(text).length),
  char_length: strict(([text = '']) => Array.from(text).length),
  btrim: strict(([text = '', set]) => (set === undefined ? text.trim() : undecided('btrim of characters'))),
  replace: strict(([text = '', from = '', to = '']) => text.replaceAll(from, () => to)),
  left: strict(([text = '', n = '0']) => text.slice(0, Number(n))),
  right: strict(([text = '', n = '0']) => (Number(n) === 0 ? '' : text.slice(-Number(n)))),
  substring: strict(substring),
  substr: strict(substring),
  lpad: strict(([text = '', n = '0', fill = ' ']) => text.padStart(Number(n), fill).slice(0, Number(n))),
  split_part: strict(([text = '', by = '', n = '1']) => text.split(by).at(Number(n) - 1) ?? ''),
  concat: (args) => args.map((arg) => textOf(arg) ?? '').join(''),
  concat_ws: ([by = null, ...args]) =>
    by === null ? null : args.flatMap((arg) => textOf(arg) ?? []).join(textOf(by) ?? ''),
  array_length: ([array = null]) => (isArray(array) && array.length > 0 ? array.length : null),
  cardinality: ([array = null]) => (isArray(array) ? array.length : null),
  array_append: ([array = null, item = null]) => [...(isArray(array) ? array : []), item],
  array_remove: ([array = null, item = null]) =>
    isArray(array) ? array.filter((own) => (own === null || item === null ? own !== item : !isEqual(own, item))) : null,
  array_to_string: ([array = null, by = null]) =>
    isArray(array) ? array.flatMap((item) => textOf(item) ?? []).join(textOf(by) ?? '') : null,
  string_to_array: strict(([text = '', by = '']) => (text === '' ? [] : text.split(by))),
  current_database: () => DATABASE,
  current_schema: (_, fold) => fold.searchPath[0] ?? null,
  current_setting: ([name = null], fold) => currentSetting(textOf(name) ?? '', fold),
  version: (_, fold) => `PostgreSQL ${fold.options.serverVersion ?? 18}`,
  pg_get_userbyid: ([role = null]) => (isRef(role) ? role.key : undecided('a role by its oid')),
  format_type: ([type = null]) => (isRef(type) ? type.key : undecided('a type by its oid')),
  set_config: ([, value = null]) => value,
  now: () => undecided('the time'),
}

function substring([text = '', from = '', length]: string[]): Value {
  if (Number.isNaN(Number(from))) {
    try {
      const match = new RegExp(from, 'u').exec(text)
      return match ? (match[1] ?? match[0]) : null
    } catch {
      return undecided(`pattern ${from}`)
    }
  }
  const start = Math.max(0, Number(from) - 1)
  return text.slice(start, length === undefined ? undefined : start + Number(length))
}

function currentSetting(name: string, { options, searchPath }: Fold): Value {
  const version = options.serverVersion ?? 18
  if (name === 'server_version_num') return String(version * 10_000)
  if (name === 'server_version') return String(version)
  return name === 'search_path' ? searchPath.join(', ') : undecided(`setting ${name}`)
}

function literal(text: string): string {
  const quoted = quoteLiteral(text)
  return text.includes('\\') ? ` E${quoted.replaceAll('\\', '\\\\')}`.trimStart() : quoted
}

/** format() of PostgreSQL: %s %I %L with positions and %%. */
function format(pattern: string, args: Value[]): string {
  let next = 0
  return pattern.replaceAll(
    /%(?:%|(?:(\d+)\$)?(-?\d+)?([sIL]))/g,
    (whole, position?: string, width?: string, kind?: string) => {
      if (whole === '%%') return '%'
      if (position !== undefined) next = Number(position) - 1
      const text = formatted(kind ?? 's', args[next++] ?? null)
      if (width === undefined) return text
      return width.startsWith('-') ? text.padEnd(-Number(width)) : text.padStart(Number(width))
    },
  )
}

function formatted(kind: string, value: Value): string {
  const text = textOf(value)
  if (kind === 'L') return text === null ? 'NULL' : literal(text)
  if (kind === 'I')
    return text === null ? undecided('null as an identifier') : quoteIdentifier(text === RUNNER ? 'current_user' : text)
  return text ?? ''
}

/** Aggregates; the query gives them their rows. */
export const AGGREGATES = new Map<string, (values: Value[][]) => Value>([
  ['count', (rows) => rows.filter(([first]) => first !== null).length],
  ['array_agg', (rows) => (rows.length === 0 ? null : rows.map(([first = null]) => first))],
  [
    'string_agg',
    (rows) => {
      const texts = rows.filter(([first]) => first !== null && first !== undefined)
      if (texts.length === 0) return null
      return texts.map(([text = null, by = null], n) => `${n === 0 ? '' : (textOf(by) ?? '')}${textOf(text)}`).join('')
    },
  ],
  ['bool_or', (rows) => (rows.length === 0 ? null : rows.some(([first]) => first === true))],
  ['bool_and', (rows) => (rows.length === 0 ? null : rows.every(([first]) => first === true))],
  ['max', (rows) => extreme(rows, 1)],
  ['min', (rows) => extreme(rows, -1)],
])

function extreme(rows: Value[][], sign: 1 | -1): Value {
  let best: Value = null
  for (const [value = null] of rows) {
    if (value === null) continue
    if (typeof value !== 'number' && typeof value !== 'string') return undecided('an extreme value')
    if (best === null || (typeof best === 'number' || typeof best === 'string' ? value > best === (sign === 1) : false))
      best = value
  }
  return best
}

/** `unnest`, `generate_series`, .. as rows. */
export function rowsOfFunction(name: string, args: Value[]): Value[] {
  const [first = null, second = null, step = 1] = args
  if (name === 'unnest' && first !== null) return [...(isArray(first) ? first : arrayOf(textOf(first) ?? ''))]
  if (
    name === 'generate_series' &&
    typeof first === 'number' &&
    typeof second === 'number' &&
    typeof step === 'number'
  ) {
    const values: number[] = []
    for (let n = first; step > 0 ? n <= second : n >= second; n += step || 1) {
      if (values.push(n) > 10_000) return undecided('a long series')
    }
    return values
  }
  if (name === 'regexp_split_to_table' && typeof first === 'string' && typeof second === 'string')
    return first.split(new RegExp(second, 'u'))
  if (name === 'string_to_table' && typeof first === 'string' && typeof second === 'string') return first.split(second)
  return undecided(`rows of ${name}()`)
}
