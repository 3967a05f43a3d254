import type { Table } from '../catalog/model.ts'
import type { Changes } from './changes.ts'

/** Columns that are dropped, made again or get another type. */
export function touchedColumns(changes: Changes, key: string, table: Table): Set<string> {
  return new Set(
    [...table.columns.keys()].filter((name) => {
      const object = `column ${key}.${name}`
      const properties = changes.properties(object)
      const isLost = changes.isGone(object) || changes.remade.has(object)
      return isLost || ['type', 'collation', 'generated'].some((property) => properties.has(property))
    }),
  )
}

/** Columns of a table that are dropped and made again. */
export function remadeColumns(changes: Changes, key: string, table: Table): string[] {
  return [...table.columns.keys()].filter((name) => changes.remade.has(`column ${key}.${name}`))
}
