import { hash, hexDigits, seedOf, uuid } from './random.ts'
import type { FixtureColumn } from './read-shape.ts'
import { arabic, familyNames, givenNames, latin, resourceTypes } from './words.ts'

/** The text of the value in row `index` (from 0), null for NULL; binary values as hexadecimal digits. */
export type Values = (index: number) => string | null

/** Values that the type alone does not tell: they are what makes a move of real data hard. */
const special: Readonly<Record<string, (seed: number) => Values>> = {
  'fhir_resources.resource_type': (seed) => (index) => pick(resourceTypes, hash(seed, index)),
  'devices.serial_hash': (seed) => (index) => BigInt(`0xf${hexDigits(seed, index, 15)}`).toString(),
  'appointments.priority': (seed) => (index) => String(hash(seed, index) % 6),
  'staff_shifts.worked': (seed) => (index) => duration(hash(seed, index) % 180_000),
  'staff_shifts.overtime': (seed) => (index) => `${duration((hash(seed, index) % 120_000) - 20_000)}.250`,
  'vital_signs.height_m': (seed) => (index) => String(1.2 + (hash(seed, index) % 900) / 1000),
  'analyser_log.seq': () => (index) => String(index),
  'countries.code': () => (index) => (index === 0 ? 'SD' : letters(index, 2)),
  'currencies.code': () => (index) => (index === 0 ? 'SDG' : letters(index, 3)),
  'sessions.address': (seed) => (index) => `2001:db8::${(hash(seed, index) % 65_535).toString(16)}`,
  'service_prices.code': () => (index) => `PRICE-${index + 1}`,
  'users.email': () => (index) => `User.${index + 1}@nilecare.example`,
  'patients.given_name_ar': (seed) => (index) => pick(givenNames, hash(seed, index)),
  'patients.family_name_ar': (seed) => (index) => pick(familyNames, hash(seed, index)),
}

/** Values of a column that is neither key nor reference. */
export function valuesOf(table: string, column: FixtureColumn, seed: number): Values {
  const own = seedOf(`${table}.${column.name}`, seed)
  const given = special[`${table}.${column.name}`]?.(own)
  if (given) return given
  if (column.unique) return uniqueValues(column, own)
  const values = column.zeroDate ? withZeroDates(typedValues(column, own), column, own) : typedValues(column, own)
  return column.nullable ? (index) => (hash(own + 1, index) % 5 === 0 ? null : values(index)) : values
}

/** The same value never twice. */
export function uniqueValues(column: FixtureColumn, seed: number): Values {
  if (column.type === 'char(36)') return (index) => uuid(seed, index)
  if (column.type.startsWith('binary')) {
    const digits = 2 * sizeOf(column.type) - 8
    return (index) => index.toString(16).padStart(8, '0') + hexDigits(seed, index, digits)
  }
  if (/char|text/.test(column.type)) return (index) => `${column.name.slice(0, 3).toUpperCase()}-${index + 1}`
  return (index) => String(index + 1)
}

function typedValues(column: FixtureColumn, seed: number): Values {
  const { type, name } = column
  const at = (index: number) => hash(seed, index)
  if (column.json) return (index) => json(at(index))
  if (type === 'tinyint(1)') return (index) => String(at(index) & 1)
  if (/^(tiny|small|medium|big)?int/.test(type)) return (index) => String(at(index) % 100)
  if (type.startsWith('decimal')) return decimals(type, seed)
  if (type === 'float')
    return (index) => pick(['0', '16777216', '-0.1', String((at(index) % 100_000) / 64)], at(index) >>> 7)
  if (type === 'double') return (index) => pick(doubles, at(index) % 50) ?? String(at(index) / 977)
  if (type === 'date') return (index) => day(at(index) % 27_000)
  if (/^(datetime|timestamp)/.test(type))
    return (index) => `${day(18_000 + (at(index) % 9_000))} ${clock(at(index) >>> 3)}${fraction(type, at(index))}`
  if (type.startsWith('time')) return (index) => `${clock(at(index))}${fraction(type, at(index))}`
  if (type.startsWith('year')) return (index) => String(1970 + (at(index) % 56))
  if (type.startsWith('enum')) return oneOf(type, seed)
  if (type.startsWith('set')) return someOf(type, seed)
  if (type.startsWith('bit')) return (index) => String(at(index) % 2 ** Math.min(sizeOf(type), 30))
  if (type.startsWith('binary')) return (index) => hexDigits(seed, index, 2 * sizeOf(type))
  if (/binary|blob/.test(type)) return (index) => hexDigits(seed, index, 2 * (at(index) % 40))
  if (name === 'icd_code' || column.ascii) return (index) => at(index).toString(36)
  if (name === 'phone') return (index) => `+2499${String(at(index)).padStart(10, '0').slice(0, 8)}`
  const words = name.endsWith('_ar') ? arabic : [...latin, ...arabic]
  const room = /char/.test(type) ? sizeOf(type) : 500
  return (index) => pick(words, at(index)).slice(0, room)
}

const doubles = ['0', '1e-7', '-1.5e300', '123456789.125', '0.1', '1e15', '2.5e-13', '9007199254740993']

function withZeroDates(values: Values, column: FixtureColumn, seed: number): Values {
  const zero = column.type === 'date' ? '0000-00-00' : '0000-00-00 00:00:00'
  return (index) => (hash(seed + 2, index) % 9 === 0 ? zero : values(index))
}

function decimals(type: string, seed: number): Values {
  const [digits = 10, scale = 0] = (/\((\d+),(\d+)\)/.exec(type) ?? []).slice(1).map(Number)
  const whole = 10 ** Math.min(digits - scale, 5)
  return (index) => {
    const at = hash(seed, index)
    const places =
      scale === 0
        ? ''
        : `.${String(hash(seed + 1, index))
            .padStart(10, '0')
            .slice(-scale)
            .padStart(scale, '0')}`
    return `${at % 17 === 0 ? '-' : ''}${at % whole}${places}`
  }
}

function oneOf(type: string, seed: number): Values {
  const choices = choicesOf(type)
  return (index) => pick(choices, hash(seed, index))
}

function someOf(type: string, seed: number): Values {
  const choices = choicesOf(type)
  return (index) => choices.filter((_, at) => (hash(seed, index) >>> at) & 1).join(',')
}

export function choicesOf(type: string): string[] {
  return [...type.matchAll(/'([^']*)'/g)].map(([, choice]) => choice ?? '')
}

function json(at: number): string {
  return JSON.stringify({
    note: pick(arabic, at),
    level: at % 7,
    ratio: (at % 1000) / 8,
    tags: ['أ', 'b', null],
    on: at % 2 === 0,
  })
}

const dayTexts: string[] = []
/** `count` days after 1950-01-01. */
function day(count: number): string {
  return (dayTexts[count] ??= new Date(Date.UTC(1950, 0, 1 + count)).toISOString().slice(0, 10))
}

function clock(at: number): string {
  return `${two(at % 24)}:${two((at >>> 5) % 60)}:${two((at >>> 11) % 60)}`
}

/** Hours may exceed a day and be below zero. */
function duration(seconds: number): string {
  const rest = Math.abs(seconds)
  return `${seconds < 0 ? '-' : ''}${two(Math.floor(rest / 3600))}:${two(Math.floor(rest / 60) % 60)}:${two(rest % 60)}`
}

function fraction(type: string, at: number): string {
  const digits = sizeOf(type)
  return digits === 0 || at % 4 === 0 ? '' : `.${String(at).padStart(10, '0').slice(-digits)}`
}

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value)
}

function letters(index: number, count: number): string {
  return index
    .toString(26)
    .padStart(count, '0')
    .replace(/./g, (digit) => String.fromCharCode(65 + parseInt(digit, 26)))
}

function sizeOf(type: string): number {
  return Number(/\((\d+)/.exec(type)?.[1] ?? 0)
}

function pick<Choice>(choices: readonly Choice[], at: number): Choice {
  return choices[at % choices.length] as Choice
}
