import type { Key } from '../model.ts'
import type { Layout, LocalColumn } from './layout.ts'
import { literal } from './sql-text.ts'

/**
 * How the keys of a table are ordered. `index`: as its index has them, fast, and good for one server alone. `everywhere`:
 * texts byte by byte, the same on every server.
 */
export type KeyOrder = 'index' | 'everywhere'

export function orderBy(layout: Layout, order: KeyOrder): string {
  return layout.key.map((column) => keyTerm(column, order)).join(', ')
}

/** What an index of the order of all servers is made of. */
export function indexTerms(layout: Layout): string {
  return layout.key
    .map((column) => (column.order === 'text' ? `(${keyTerm(column, 'everywhere')})` : column.sql))
    .join(', ')
}

/** The condition for keys in (after, upto]; a null end is open. */
export function inRange(layout: Layout, order: KeyOrder, after: Key | null, upto: Key | null): string {
  const terms = layout.key.map((column) => keyTerm(column, order)).join(', ')
  const values = (key: Key) => layout.key.map((column, at) => keyLiteral(column, order, key[at] as string)).join(', ')
  const bounds = [
    ...(after === null ? [] : [`(${terms}) > (${values(after)})`]),
    ...(upto === null ? [] : [`(${terms}) <= (${values(upto)})`]),
  ]
  return bounds.length === 0 ? 'true' : bounds.join(' and ')
}

/** A text's own order may be any language's; its index is of use to nobody else. */
function keyTerm(column: LocalColumn, order: KeyOrder): string {
  const asText = column.order === 'text' && (order === 'everywhere' || !isText(column))
  return asText ? `${column.sql}::text collate "C"` : column.sql
}

function keyLiteral(column: LocalColumn, order: KeyOrder, value: string): string {
  const asText = column.order === 'text' && (order === 'everywhere' || !isText(column))
  return asText ? `${literal(value)}::text collate "C"` : `${literal(value)}::${column.cast}`
}

/** Of pg_catalog, so that its operators are at hand. */
function isText({ cast }: LocalColumn): boolean {
  return ['text', 'character varying', 'bpchar', 'name'].includes(cast)
}
