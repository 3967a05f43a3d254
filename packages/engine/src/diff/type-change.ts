import { quoteIdentifier } from '../bundle/quote.ts'
import type { Column } from '../catalog/model.ts'

const TEXT = /^(text|character)/
const BITS = /^bit/
const NUMBERS = /^(smallint|integer|bigint|numeric|real|double precision)/
const FLOATING = /^(real|double precision)/
const TIMES = /^(timestamp|date|time|interval)/

/**
 * How values become those of another type. PostgreSQL refuses a text that is too long only where nothing casts it to its new
 * length: an explicit cast cuts it. Types that have nothing in common meet as text.
 */
export function usingClause(old: Column, { name, type, generated }: Column): string {
  const areBoth = (family: RegExp) => family.test(old.type) && family.test(type) && isList(old.type) === isList(type)
  if (generated !== null || areBoth(TEXT) || areBoth(BITS)) return ''
  const value = quoteIdentifier(name)
  if (TEXT.test(type)) return ` using ${value}::text${isList(type) ? '[]' : ''}`
  if (BITS.test(type)) return ` using ${value}::text::bit varying`
  const isNear = [NUMBERS, TIMES, /^json/].some(areBoth) || TEXT.test(old.type)
  return ` using ${value}${isNear ? '' : '::text'}::${type}`
}

const isList = (type: string) => type.endsWith('[]')

/** Changes of type that PostgreSQL makes without looking at the rows. */
export function isWidening(from: string, to: string): boolean {
  const length = (type: string) => Number(/^character varying\((\d+)\)$/.exec(type)?.[1] ?? Number.NaN)
  if (from.startsWith('character varying') && (to === 'text' || to === 'character varying')) return true
  return length(to) >= length(from)
}

/** Whether values may be rounded or lose a part without an error. */
export function losesValues(from: string, to: string): boolean {
  if (NUMBERS.test(from) && NUMBERS.test(to)) {
    if (FLOATING.test(to)) return digitsOf(to) < digitsOf(from)
    // the cast of a float to numeric keeps no more digits than it surely has
    return FLOATING.test(from) || fractionOf(to) < fractionOf(from)
  }
  if (!TIMES.test(from) || !TIMES.test(to)) return false
  if (to.startsWith('interval')) return from !== to && /^interval [a-z]/.test(to)
  return partsOf(from).some((part) => !partsOf(to).includes(part)) || precisionOf(to) < precisionOf(from)
}

/** Decimal digits behind the point. */
function fractionOf(type: string): number {
  if (/^(smallint|integer|bigint)/.test(type)) return 0
  return Number(/^numeric\(\d+,(-?\d+)\)/.exec(type)?.[1] ?? Number.POSITIVE_INFINITY)
}

/** Decimal digits that a value surely keeps. */
function digitsOf(type: string): number {
  const ofNumeric = Number(/^numeric\((\d+),/.exec(type)?.[1] ?? Number.POSITIVE_INFINITY)
  const known = { smallint: 5, integer: 10, bigint: 19, real: 6, 'double precision': 15 }
  return known[type.replace(/\[\]$/, '') as keyof typeof known] ?? ofNumeric
}

function partsOf(type: string): string[] {
  if (type.startsWith('timestamp')) return ['date', 'time']
  if (type.startsWith('time')) return type.includes('with time zone') ? ['time', 'zone'] : ['time']
  return [/^\w+/.exec(type)?.[0] ?? '']
}

/** Digits of a fraction of a second. */
function precisionOf(type: string): number {
  return type.startsWith('date') ? 0 : Number(/\((\d)\)/.exec(type)?.[1] ?? 6)
}
