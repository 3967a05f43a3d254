import type { SharedTable, TableName } from '../model.ts'
import type { TableFacts } from './facts.ts'

/** What is known of all columns that foreign keys tie together: they must have one type. */
export interface Families {
  has(table: TableName, column: string): { readonly notBoolean: boolean; readonly aboveBigint: boolean }
}

/** Columns that foreign keys tie together, also over several steps, and what the rows of any of them hold. */
export function foreignKeyFamilies(
  tables: readonly SharedTable[],
  factsOf: (table: SharedTable) => TableFacts,
): Families {
  const parents = new Map<string, string>()
  const find = (node: string): string => {
    const parent = parents.get(node)
    if (parent === undefined || parent === node) return node
    const root = find(parent)
    parents.set(node, root)
    return root
  }
  for (const table of tables) {
    for (const { columns, references } of table.foreignKeys) {
      columns.forEach((column, at) => {
        parents.set(find(nodeOf(table, column)), find(nodeOf(references, references.columns[at] ?? '')))
      })
    }
  }
  const notBoolean = new Set<string>()
  const aboveBigint = new Set<string>()
  for (const table of tables) {
    for (const [column, facts] of factsOf(table).columns) {
      const root = find(nodeOf(table, column))
      if ((facts.notBoolean ?? 0) > 0) notBoolean.add(root)
      if ((facts.aboveBigint ?? 0) > 0) aboveBigint.add(root)
    }
  }
  return {
    has: (table, column) => {
      const root = find(nodeOf(table, column))
      return { notBoolean: notBoolean.has(root), aboveBigint: aboveBigint.has(root) }
    },
  }
}

function nodeOf({ schema, name }: TableName, column: string): string {
  return JSON.stringify([schema, name, column])
}
