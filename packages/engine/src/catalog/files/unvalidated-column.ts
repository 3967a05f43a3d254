import type { Column, Table } from '../model.ts'

/** The column that is not null by this constraint, which nobody held against old rows. */
export function unvalidatedColumn(table: Table, constraint: string): Column | undefined {
  return [...table.columns.values()].find(({ unvalidatedNotNull }) => unvalidatedNotNull === constraint)
}
