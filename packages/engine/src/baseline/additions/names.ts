import type { IndexKey } from '../../catalog/model.ts'

export function schemaOf(key: string): string {
  return key.slice(0, Math.max(0, key.indexOf('.')))
}

/** An index key of a plain column. */
export function columnKey(column: string): IndexKey {
  return { column, expression: null, operatorClass: null, collation: null, descending: false, nullsFirst: false }
}
