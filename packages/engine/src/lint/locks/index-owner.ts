import type { Catalog, Index } from '../../catalog/model.ts'

/** The table or materialized view (`schema.table`) that an index (`schema.index`) is on. */
export function indexOwner(name: string, { tables, views }: Catalog): { table: string; index: Index } | null {
  const [schema, last = ''] = name.split('.')
  for (const owners of [tables, views]) {
    for (const [table, owner] of owners) {
      const index = owner.schema === schema ? owner.indexes.get(last) : undefined
      if (index) return { table, index }
    }
  }
  return null
}
