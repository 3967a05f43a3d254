import { tableId, type TableName } from '../model.ts'
import type { LooseKey } from './loose-key.ts'

/** The columns by which children of other services know each parent, all of a parent's together. */
export function watchedParents(keys: readonly LooseKey[], where: 'shared' | 'own') {
  const parents = new Map<string, { readonly table: TableName; readonly columns: Set<string> }>()
  for (const { parent } of keys) {
    const table = parent[where]
    const name = tableId(table)
    const columns = parents.get(name)?.columns ?? new Set<string>()
    for (const column of parent.columns) columns.add(column)
    parents.set(name, { table, columns })
  }
  return [...parents.values()].map(({ table, columns }) => ({ table, columns: [...columns] }))
}
