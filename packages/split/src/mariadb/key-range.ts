import type { Key } from '../model.ts'
import type { Layout, LocalColumn } from './layout.ts'
import { quoteText } from './sql-text.ts'

/**
 * How keys are ordered. `index`: as the index of this server has them, fast. `everywhere`: as PostgreSQL orders them too,
 * texts byte by byte.
 */
export type KeyOrder = 'index' | 'everywhere'

export function orderBy(layout: Layout, order: KeyOrder, direction: 'asc' | 'desc' = 'asc'): string {
  return layout.key.map((column) => `${keyTerm(column, order)} ${direction}`).join(', ')
}

/** Whether the key's columns are compared as they are, not as something that is made of them. */
export function isPlain(layout: Layout, order: KeyOrder): boolean {
  return !layout.key.some((column) => isByBytes(column, order))
}

/** The condition for keys in (after, upto]; a null end is open. */
export function inRange(layout: Layout, order: KeyOrder, after: Key | null, upto: Key | null): string {
  const bounds = [
    ...(after === null ? [] : [compare(layout, order, '>', '>', after)]),
    ...(upto === null ? [] : [compare(layout, order, '<', '<=', upto)]),
  ]
  return bounds.length === 0 ? 'true' : bounds.join(' and ')
}

/** Row comparisons make no use of an index; the first column by itself does. */
function compare(layout: Layout, order: KeyOrder, strictly: string, atLast: string, key: Key): string {
  const terms = layout.key.map((column) => keyTerm(column, order))
  const values = layout.key.map((column, at) => keyLiteral(column, order, key[at] as string))
  const nested = (at: number): string => {
    if (at === terms.length - 1) return `${terms[at]} ${atLast} ${values[at]}`
    return `(${terms[at]} ${strictly} ${values[at]} or (${terms[at]} = ${values[at]} and ${nested(at + 1)}))`
  }
  const first = terms.length > 1 ? `${terms[0]} ${strictly}= ${values[0]} and ` : ''
  return `${first}${nested(0)}`
}

function keyTerm(column: LocalColumn, order: KeyOrder): string {
  return isByBytes(column, order)
    ? `cast(${column.sql} as char character set utf8mb4) collate utf8mb4_nopad_bin`
    : column.sql
}

function isByBytes({ family }: LocalColumn, order: KeyOrder): boolean {
  // labels are ordered by their number here and by their text there
  if (family === 'enum' || family === 'set') return true
  return order === 'everywhere' && (family === 'text' || family === 'uuid' || family === 'json')
}

function keyLiteral(column: LocalColumn, order: KeyOrder, value: string): string {
  const { family, target } = column
  if (target === 'boolean') return { t: '1', f: '0' }[value] ?? numberText(value)
  if (family === 'bytes') return `x'${value.slice(2)}'`
  if (['integer', 'decimal', 'float', 'double', 'bit', 'year'].includes(family)) return numberText(value)
  if (family === 'timestamp') return quoteText(value.replace(/\+00$/, ''))
  if (target === 'text[]') return quoteText(value.replace(/^\{|\}$/g, '').replaceAll('"', ''))
  return isByBytes(column, order) ? `${quoteText(value)} collate utf8mb4_nopad_bin` : quoteText(value)
}

function numberText(value: string): string {
  if (!/^[-+\d.eE]+$/.test(value)) throw new Error('a key of a number column is no number')
  return value
}
