import { qualifiedName } from '../model.ts'
import type { ColumnRow } from './tables.ts'

/** What pg_constraint, pg_index and pg_trigger call columns by: looking the names up in every row would take PostgreSQL longest. */
export type ColumnNumbers = ReadonlyMap<string, ReadonlyMap<number, string>>

/** Columns that every table has, by their numbers in PostgreSQL. */
const SYSTEM_COLUMNS: Readonly<Record<number, string>> = {
  [-1]: 'ctid',
  [-2]: 'xmin',
  [-3]: 'cmin',
  [-4]: 'xmax',
  [-5]: 'cmax',
  [-6]: 'tableoid',
}

export function numberColumns(rows: readonly ColumnRow[]): ColumnNumbers {
  const numbers = new Map<string, Map<number, string>>()
  for (const { schema, table_name, number, name } of rows) {
    const table = qualifiedName(schema, table_name)
    let own = numbers.get(table)
    if (!own) numbers.set(table, (own = new Map<number, string>()))
    own.set(number, name)
  }
  return numbers
}

/** Null for the number 0, which stands for an expression. */
export function columnNamed(numbers: ColumnNumbers, table: string, number: number): string | null {
  return numbers.get(table)?.get(number) ?? SYSTEM_COLUMNS[number] ?? null
}

/** Without those that are expressions. */
export function columnsNamed(numbers: ColumnNumbers, table: string, own: readonly number[] | null): string[] {
  return (own ?? []).flatMap((number) => columnNamed(numbers, table, number) ?? [])
}
