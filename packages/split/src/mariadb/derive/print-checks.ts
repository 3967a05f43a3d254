import { quoteIdentifier, quoteLiteral, quoteQualified } from '@imhotep/engine'
import type { DerivedColumn, DerivedTable } from './derived-table.ts'
import type { Report } from './left-out.ts'
import { withTable, type Names } from './names.ts'
import { translateCheck } from './translate-expression.ts'
import { valueRange } from './value-range.ts'

/** Whether rows hold '' in an enum that has no such label. */
export type HasEmptyLabel = (table: DerivedTable, column: DerivedColumn) => boolean

/** Labels of ENUM and SET, the limits of MariaDB's types, and the checks that the table had. */
export function printChecks(
  table: DerivedTable,
  columns: readonly DerivedColumn[],
  names: Names,
  hasEmptyLabel: HasEmptyLabel,
  report: Report,
): string {
  const checks: [name: string, condition: string][] = []
  const own = table.target.name
  for (const column of columns) {
    const labels = labelCheck(column, hasEmptyLabel(table, column))
    const range = column.shared.identity || column.shared.generated !== null ? null : valueRange(column)
    if (labels !== null) checks.push([names.take(`${own}_${column.name}_check`), labels])
    if (range !== null) checks.push([names.take(`${own}_${column.name}_range`), range])
  }
  for (const { name, expression } of table.shared.checks ?? []) {
    const condition = report.attempt(
      table,
      `check ${name}`,
      'write it in SQL of PostgreSQL in the next migration',
      () => translateCheck(expression, columns),
    )
    if (condition !== null) checks.push([names.take(withTable(own, name)), condition])
  }
  return replaceConstraints(
    table,
    checks.map(([name, condition]) => [name, `check (${condition})`]),
  )
}

/** One statement, so that the rows are read once, and making them twice is making them once. */
export function replaceConstraints(
  { target }: DerivedTable,
  constraints: readonly (readonly [name: string, definition: string])[],
): string {
  if (constraints.length === 0) return ''
  const parts = constraints.map(([name, definition]) => {
    const constraint = quoteIdentifier(name)
    return `  drop constraint if exists ${constraint}, add constraint ${constraint} ${definition}`
  })
  return `alter table ${quoteQualified(target.schema, target.name)}\n${parts.join(',\n')};\n`
}

function labelCheck({ name, family, type }: DerivedColumn, withEmpty: boolean): string | null {
  const labels = [...type.labels, ...(withEmpty && !type.labels.includes('') ? [''] : [])].map(quoteLiteral).join(', ')
  if (family === 'enum') return `${quoteIdentifier(name)} in (${labels})`
  return family === 'set' ? `${quoteIdentifier(name)} <@ array[${labels}]` : null
}
