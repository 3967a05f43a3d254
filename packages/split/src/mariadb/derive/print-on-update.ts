import { quoteIdentifier, quoteQualified } from '@imhotep/engine'
import type { DerivedColumn, DerivedTable } from './derived-table.ts'
import type { Report } from './left-out.ts'
import type { Names } from './names.ts'

/**
 * Triggers for columns that MariaDB sets when their row changes. They are silent while the move writes, since it writes in
 * the role of a replica; an update that gives the column its old value counts as one that does not name it.
 */
export function printOnUpdate(
  table: DerivedTable,
  columns: readonly DerivedColumn[],
  names: Names,
  report: Report,
): string {
  const { schema, name } = table.target
  return columns
    .filter(({ shared }) => shared.onUpdate !== undefined)
    .map((column) => {
      if (!/^(current_timestamp|now)\b/i.test(column.shared.onUpdate ?? '')) {
        report(table, `on update of ${column.name}`, 'it is no current_timestamp', 'let the application set it')
        return ''
      }
      const plain = names.take(`${name}_set_${column.name}`)
      const called = quoteQualified(schema, plain)
      const value = quoteIdentifier(column.name)
      return `create or replace function ${called}() returns trigger language plpgsql set search_path = '' as $$
begin
  new.${value} := statement_timestamp();
  return new;
end $$;
create or replace trigger ${quoteIdentifier(plain)} before update on ${quoteQualified(schema, name)}
  for each row when (${isChanged(columns)} and new.${value} is not distinct from old.${value})
  execute function ${called}();
`
    })
    .join('')
}

/** Byte by byte, as MariaDB has it. A condition may not see new values of generated columns: they are not computed yet. */
function isChanged(columns: readonly DerivedColumn[]): string {
  const stored = columns.filter(({ shared }) => shared.generated === null)
  if (stored.length === columns.length) return 'old.* *<> new.*'
  const row = (side: string) =>
    `row(${stored.map(({ name }) => `${side}.${quoteIdentifier(name)}`).join(', ')})::record`
  return `${row('old')} *<> ${row('new')}`
}
