import { quoteQualified } from '@imhotep/engine'
import type { DerivedColumn, DerivedTable } from './derived-table.ts'
import type { Report } from './left-out.ts'
import { columnType, commentOnColumn } from './print-table.ts'
import { translateGenerated } from './translate-expression.ts'

/** Generated columns, stored: PostgreSQL before 18 has no others. Also returns the columns that the table has then. */
export function printGenerated(
  table: DerivedTable,
  report: Report,
): { readonly sql: string; readonly columns: readonly DerivedColumn[] } {
  const parts: string[] = []
  const columns = table.columns.filter((column) => {
    if (column.shared.generated === null) return true
    const sql = report.attempt(
      table,
      `generated column ${column.name}`,
      'let a view or the application compute it',
      () => translateGenerated(column, table.columns),
    )
    if (sql !== null) parts.push(`  add column if not exists ${columnType(column)} generated always as (${sql}) stored`)
    return sql !== null
  })
  if (parts.length === 0) return { sql: '', columns }
  const comments = columns
    .filter(({ shared }) => shared.generated !== null)
    .flatMap((column) => commentOnColumn(table, column))
  const name = quoteQualified(table.target.schema, table.target.name)
  return { sql: `alter table ${name}\n${parts.join(',\n')};\n${comments.join('')}`, columns }
}
