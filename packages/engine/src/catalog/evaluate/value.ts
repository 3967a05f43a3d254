import { quoteIdentifier } from '../../bundle/quote.ts'

/** An object of the catalog where PostgreSQL has an OID: equal by kind and key. */
export interface Ref {
  readonly ref: 'class' | 'namespace' | 'type' | 'proc' | 'role' | 'other'
  /** `schema.name`, a role's or schema's name, a routine's signature. */
  readonly key: string
}

/** A row, by the names of its columns. */
export interface Row {
  readonly row: ReadonlyMap<string, Value>
}

export type Value = null | boolean | number | string | Ref | Row | readonly Value[]

/** Thrown where only a running server could tell; whoever runs code of files catches it. */
export class Undecidable extends Error {
  constructor(message: string) {
    // Thrown by the thousand and never shown with its stack, which would take longer than to evaluate the expression.
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    super(message)
    Error.stackTraceLimit = stackTraceLimit
  }
}

export function isRef(value: Value): value is Ref {
  return typeof value === 'object' && value !== null && 'ref' in value
}

export function isRow(value: Value): value is Row {
  return typeof value === 'object' && value !== null && 'row' in value
}

/** What `row(..)` gives: fields have the names f1, f2 and so on. */
export function rowOf(values: readonly Value[]): Row {
  return { row: new Map(values.map((value, n) => [`f${n + 1}`, value])) }
}

export function isArray(value: Value): value is readonly Value[] {
  return Array.isArray(value)
}

/** A value as PostgreSQL's output function prints it; null stays null. */
export function textOf(value: Value): string | null {
  if (value === null) return null
  if (typeof value === 'boolean') return value ? 'true' : 'false'
  if (typeof value === 'number' || typeof value === 'string') return String(value)
  if (isArray(value)) return `{${value.map(elementText).join(',')}}`
  if (isRow(value)) throw new Undecidable('a row as text')
  if (value.ref === 'other') throw new Undecidable('an oid as text')
  if (value.ref !== 'class') return value.key
  const [schema = '', name = ''] = value.key.split('.')
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`
}

function elementText(value: Value): string {
  const text = textOf(value)
  if (text === null) return 'NULL'
  return text === '' || /[{},"\\\s]|^null$/i.test(text) ? `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"` : text
}

/** `{a,"b c",NULL}` as an array. */
export function arrayOf(text: string): Value[] {
  const inside = /^\s*\{(.*)\}\s*$/s.exec(text)?.[1]
  if (inside === undefined || /[{}]/.test(inside.replaceAll(/"(?:[^"\\]|\\.)*"/g, '')))
    throw new Undecidable(`array ${text}`)
  if (inside.trim() === '') return []
  return [...inside.matchAll(/\s*(?:"((?:[^"\\]|\\.)*)"|([^,]*))\s*(?:,|$)/g)]
    .filter((match) => match[0] !== '')
    .map(([, quoted, plain = '']) => {
      if (quoted !== undefined) return quoted.replaceAll(/\\(.)/g, '$1')
      return plain.trim().toLowerCase() === 'null' ? null : plain.trim()
    })
}

/** Equality of two values that are not null. */
export function isEqual(a: Value, b: Value): boolean {
  if (isRef(a) && isRef(b)) return a.ref === b.ref && a.key === b.key
  if (isArray(a) && isArray(b))
    return a.length === b.length && a.every((item, n) => item !== null && isEqual(item, b[n] ?? null))
  if (isRow(a) && isRow(b)) return isEqual([...a.row.values()], [...b.row.values()])
  // zero is the OID of nothing
  if (isRef(a) && typeof b === 'number') return b === 0 ? false : undecided('an oid by its number')
  if (isRef(b) && typeof a === 'number') return isEqual(b, a)
  if (typeof a === 'number' && typeof b === 'string') return a === Number(b)
  if (typeof a === 'string' && typeof b === 'number') return Number(a) === b
  if (typeof a === 'boolean' || typeof b === 'boolean') return toBoolean(a) === toBoolean(b)
  return textOf(a) === textOf(b)
}

export function undecided(reason: string): never {
  throw new Undecidable(reason)
}

export function toBoolean(value: Value): boolean | null {
  if (value === null || typeof value === 'boolean') return value
  const text = String(textOf(value)).toLowerCase()
  if (['t', 'true', 'yes', 'on', '1'].includes(text)) return true
  return ['f', 'false', 'no', 'off', '0'].includes(text) ? false : undecided(`'${text}' as a boolean`)
}

/** Order as of collation C, numbers by size. */
export function compareValues(a: Value, b: Value): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  if (typeof a === 'number' || typeof b === 'number') return Number(textOf(a)) - Number(textOf(b))
  const [left, right] = [textOf(a) ?? '', textOf(b) ?? '']
  return left < right ? -1 : left > right ? 1 : 0
}
