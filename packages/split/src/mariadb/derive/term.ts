import { quoteIdentifier, quoteLiteral } from '@imhotep/engine'
import { equalityOf, qualifiedCollation } from './collations.ts'
import type { DerivedColumn } from './derived-table.ts'
import { UntranslatableError } from './parse-expression.ts'

/** How strongly PostgreSQL's operators bind, weakest first. */
export const binds = {
  or: 1,
  and: 2,
  not: 3,
  is: 4,
  compare: 5,
  in: 6,
  concat: 7,
  add: 8,
  multiply: 9,
  sign: 10,
  cast: 11,
  alone: 12,
} as const

/** A part of an expression in PostgreSQL's words. */
export interface Term {
  readonly sql: string
  readonly binds: number
  readonly kind: Kind
  /** Digits behind the point of a number. */
  readonly scale?: number
  /** A number whose type is smaller than what MariaDB calculates with. */
  readonly narrow?: boolean
  readonly column?: DerivedColumn
  /** The value of a literal. */
  readonly literal?: string
}

export type Kind =
  'integer' | 'numeric' | 'double' | 'text' | 'enum' | 'boolean' | 'date' | 'timestamp' | 'time' | 'null' | 'other'

const kinds: Readonly<Record<string, Kind>> = {
  smallint: 'integer',
  integer: 'integer',
  bigint: 'integer',
  numeric: 'numeric',
  real: 'double',
  'double precision': 'double',
  boolean: 'boolean',
  'character varying': 'text',
  text: 'text',
  date: 'date',
  'timestamp without time zone': 'timestamp',
  'time without time zone': 'time',
}

export function kindOf({ family, targetType }: DerivedColumn): Kind {
  if (family === 'enum') return 'enum'
  return kinds[targetType.replace(/\([^)]*\)/, '')] ?? 'other'
}

export function columnTerm(column: DerivedColumn): Term {
  const [, scale] = /^numeric\(\d+,(\d+)\)$/.exec(column.targetType) ?? []
  return {
    sql: quoteIdentifier(column.name),
    binds: binds.alone,
    kind: kindOf(column),
    scale: Number(scale ?? 0),
    narrow: ['smallint', 'integer', 'real'].includes(column.targetType),
    column,
  }
}

export function numberTerm(text: string): Term {
  if (/e/i.test(text)) return { sql: `${text}::double precision`, binds: binds.cast, kind: 'double', literal: text }
  const scale = text.split('.')[1]?.length
  return {
    sql: text.replace(/^0+(?=\d)/, ''),
    binds: binds.alone,
    kind: scale === undefined ? 'integer' : 'numeric',
    scale: scale ?? 0,
    narrow: true,
    literal: text,
  }
}

export function textTerm(text: string): Term {
  if (text.includes('\0')) throw new UntranslatableError('a text holds a NUL character')
  return { sql: quoteLiteral(text), binds: binds.alone, kind: 'text', literal: text }
}

export const truthTerm = (value: boolean): Term => ({ sql: String(value), binds: binds.alone, kind: 'boolean' })
export const nullTerm: Term = { sql: 'null', binds: binds.alone, kind: 'null' }

/** In parentheses where it binds weaker than its place asks. */
export function at(place: number, { sql, binds }: Term): string {
  return binds < place ? `(${sql})` : sql
}

export function cast(term: Term, type: string, kind: Kind): Term {
  return { sql: `${at(binds.cast, term)}::${type}`, binds: binds.cast, kind, scale: term.scale ?? 0 }
}

export function isNumber({ kind }: Term): boolean {
  return kind === 'integer' || kind === 'numeric' || kind === 'double'
}

/** MariaDB calculates with 64 bits, whatever the columns; a condition is 0 or 1. */
export function toNumber(term: Term): Term {
  if (term.kind === 'boolean') return cast(term, 'bigint', 'integer')
  if (!isNumber(term)) throw new UntranslatableError('it calculates with something that is no number')
  return term
}

export function widened(term: Term): Term {
  if (!term.narrow || term.kind === 'numeric') return term
  return cast(term, term.kind === 'double' ? 'double precision' : 'bigint', term.kind)
}

export function toCondition(term: Term): Term {
  if (term.kind === 'boolean' || term.kind === 'null') return term
  if (!isNumber(term)) throw new UntranslatableError('it takes something for a condition that is none')
  return { sql: `${at(binds.concat, term)} <> 0`, binds: binds.compare, kind: 'boolean' }
}

/** 0 and 1 beside a boolean are false and true. */
function toTruth(term: Term): Term | null {
  if (term.kind === 'boolean' || term.kind === 'null') return term
  return term.literal === '0' || term.literal === '1' ? truthTerm(term.literal === '1') : null
}

/** Both sides of a comparison, so that PostgreSQL compares the same things. */
export function comparable(left: Term, right: Term, isEquality: boolean): [Term, Term] {
  if (left.kind === 'null' || right.kind === 'null') return [left, right]
  if (left.kind === 'boolean' || right.kind === 'boolean') {
    const [a, b] = [toTruth(left), toTruth(right)]
    return a && b ? [a, b] : [toNumber(left), toNumber(right)]
  }
  if (isNumber(left) && isNumber(right)) return [left, right]
  if (isText(left) && isText(right)) {
    if (isEquality) return sameEquality(left, right)
    throw new UntranslatableError('texts have another order on PostgreSQL')
  }
  if (isMoment(left, right) || isMoment(right, left)) return [left, right]
  throw new UntranslatableError('it compares values of different types')
}

const isText = ({ kind }: Term) => kind === 'text' || kind === 'enum'

const moments: Readonly<Partial<Record<Kind, RegExp>>> = {
  date: /^[1-9]\d{3}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$/,
  timestamp: /^[1-9]\d{3}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])( \d\d:\d\d:\d\d(\.\d+)?)?$/,
  time: /^\d\d:\d\d:\d\d(\.\d+)?$/,
}

function isMoment(term: Term, other: Term): boolean {
  const form = moments[term.kind]
  if (!form) return false
  return other.literal === undefined ? moments[other.kind] !== undefined : form.test(other.literal)
}

/** Labels of an enum are stored as they are declared; other texts are equal as their collation has it. */
function sameEquality(left: Term, right: Term): [Term, Term] {
  for (const [term, other] of [
    [left, right],
    [right, left],
  ] as const) {
    if (term.kind !== 'enum') continue
    if (other.literal !== undefined && term.column?.type.labels.includes(other.literal)) return [left, right]
    throw new UntranslatableError('it compares an enum with something that is none of its labels')
  }
  const columns = [left, right].flatMap(({ column }) => column ?? [])
  const wanted = new Set(columns.map(({ shared }) => equalityOf(shared.collation)))
  if (columns.length === 0 || wanted.size > 1) throw new UntranslatableError('it compares texts of unknown collation')
  const collation = [...wanted][0] ?? null
  if (collation === null || columns.every((column) => column.collation === collation)) return [left, right]
  const collated = {
    ...left,
    sql: `${at(binds.cast, left)} collate ${qualifiedCollation(collation)}`,
    binds: binds.cast,
  }
  return [collated, right]
}

/** Terms that can be values of one expression, and what that expression is. */
export function unify(terms: readonly Term[]): {
  readonly terms: readonly Term[]
  readonly kind: Kind
  readonly scale: number
} {
  const known = terms.filter(({ kind }) => kind !== 'null')
  const scale = Math.max(0, ...known.map((term) => term.scale ?? 0))
  if (known.some(({ kind }) => kind === 'boolean')) {
    const truths = terms.map(toTruth)
    if (truths.every((term) => term !== null)) return { terms: truths, kind: 'boolean', scale: 0 }
    return unify(terms.map((term) => (term.kind === 'null' ? term : toNumber(term))))
  }
  if (known.every(isNumber)) {
    const kind = (['double', 'numeric'] as const).find((name) => known.some((term) => term.kind === name)) ?? 'integer'
    return { terms, kind, scale }
  }
  if (known.every(isText)) return { terms, kind: 'text', scale }
  const [first] = known
  if (first && known.every(({ kind }) => kind === first.kind)) return { terms, kind: first.kind, scale }
  throw new UntranslatableError('it has values of different types')
}
