import type { IndexKey } from '../../catalog/model.ts'
import { quoteIdentifier, quoteQualified } from '../../bundle/quote.ts'

/** A catalog's key (`schema.name`) as SQL writes it. */
export function quoteKey(key: string): string {
  const dot = key.indexOf('.')
  return dot < 0 ? quoteIdentifier(key) : quoteQualified(key.slice(0, dot), key.slice(dot + 1))
}

export function schemaOf(key: string): string {
  return key.slice(0, Math.max(0, key.indexOf('.')))
}

export function columnList(columns: readonly string[]): string {
  return `(${columns.map(quoteIdentifier).join(', ')})`
}

/** An index key of a plain column. */
export function columnKey(column: string): IndexKey {
  return { column, expression: null, operatorClass: null, collation: null, descending: false, nullsFirst: false }
}
