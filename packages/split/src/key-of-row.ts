import type { Key, MovedTable, Row } from './model.ts'

/** The key that a row has by its values. */
export function keyOfRow(table: MovedTable, row: Row): Key {
  return table.key.map((name) => row[table.columns.findIndex((column) => column.name === name)] as string)
}
