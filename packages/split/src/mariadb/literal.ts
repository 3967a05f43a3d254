import type { LocalColumn } from './layout.ts'
import { quoteText } from './sql-text.ts'
import { insteadOfZeroDate } from './zero-date.ts'

/** The literal that stores a neutral value. The server refuses what the column cannot hold: we run in strict mode. */
export function literal(column: LocalColumn, value: string | null): string {
  const { family, target } = column
  if (value === null) return isZeroAgain(column) ? `'0000-00-00'` : 'null'
  if (target === 'boolean') return value === 't' ? '1' : '0'
  switch (family) {
    // as texts they would be bytes and a year of two digits
    case 'bit':
    case 'year':
      return /^\d+$/.test(value) ? value : quoteText(value)
    case 'bytes':
      return /^\\x(?:[\da-f]{2})*$/i.test(value) ? bytesLiteral(value.slice(2)) : quoteText(value)
    case 'set':
      return quoteText(target === 'text[]' ? arrayItems(value).join(',') : value)
    case 'date':
    case 'datetime':
      return quoteText(isSentinel(column, value) ? '0000-00-00' : value)
    case 'timestamp':
      return quoteText(isSentinel(column, value) ? '0000-00-00' : inUtc(value))
    case 'time':
      return quoteText(hoursOf(value))
    default:
      return quoteText(value)
  }
}

/** A long one in the shorter form: a statement must fit in a packet. */
function bytesLiteral(hex: string): string {
  return hex.length < 4096 ? `x'${hex}'` : `from_base64('${Buffer.from(hex, 'hex').toString('base64')}')`
}

/** '' of an enum without such a label is written in no strict mode. */
export function isEmptyLabel({ family, type }: LocalColumn, value: string | null | undefined): boolean {
  return family === 'enum' && value === '' && !type.labels.includes('')
}

/** The column takes no null: it can only have come from a date that PostgreSQL does not have. */
function isZeroAgain({ moved, notNull }: LocalColumn): boolean {
  return notNull && moved.zeroDate === 'null'
}

function isSentinel(column: LocalColumn, value: string): boolean {
  return column.moved.zeroDate !== 'null' && value.replace(/\+00$/, '') === insteadOfZeroDate(column)
}

function inUtc(value: string): string {
  const [, local, fraction = '', sign, hours = '0', minutes = '0'] =
    /^(\d+-\d\d-\d\d \d\d:\d\d:\d\d)(\.\d+)?([-+])(\d\d)(?::?(\d\d))?$/.exec(value) ?? []
  if (local === undefined) return value
  const offset = (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -1 : 1)
  if (offset === 0) return local + fraction
  const utc = new Date(Date.parse(`${local.replace(' ', 'T')}Z`) - offset * 60_000)
  return utc.toISOString().slice(0, 19).replace('T', ' ') + fraction
}

/** PostgreSQL counts days of an interval apart: `1 day 02:00:00`. */
function hoursOf(value: string): string {
  const [, days, sign = '', hours = '0', rest = ':00:00'] =
    /^(-?\d+) days?(?: ([-+])?(\d+)(:\d\d:\d\d(?:\.\d+)?))?$/.exec(value) ?? []
  if (days === undefined) return value
  const isNegative = sign === '-' || (sign === '' && days.startsWith('-'))
  return `${isNegative ? '-' : ''}${Math.abs(Number(days)) * 24 + Number(hours)}${rest}`
}

function arrayItems(value: string): string[] {
  const items = value.slice(1, -1).matchAll(/"((?:[^"\\]|\\.)*)"|([^,"]+)/gs)
  return Array.from(items, ([, quoted, plain = '']) => quoted?.replace(/\\(.)/gs, '$1') ?? plain)
}
