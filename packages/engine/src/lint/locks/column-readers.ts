import { usesOfText } from '../../catalog/files/edit-text.ts'
import { DEFAULT_SCHEMA } from '../../catalog/files/fold.ts'
import { startFold } from '../../catalog/files.ts'
import type { Catalog, SourcePosition, Table } from '../../catalog/model.ts'

/** What keeps PostgreSQL from changing the type of a column and, without CASCADE, from dropping it; views aside. */
export interface ColumnReader {
  readonly kind: 'policy' | 'generated column' | 'trigger'
  readonly name: string
  /** `schema.table` that it belongs to. */
  readonly table: string
  readonly position: SourcePosition | undefined
}

/** Policies of any table, generated columns and triggers of its own that read a column. */
export function columnReaders(catalog: Catalog, table: string, column: string): ColumnReader[] {
  const reads = (text: string | null, own: string) => text !== null && readsColumn(catalog, text, own, table, column)
  const policies = [...catalog.tables].flatMap(([own, { policies }]) =>
    [...policies.values()]
      .filter(({ using, withCheck }) => reads(using, own) || reads(withCheck, own))
      .map(({ name, position }) => ({ kind: 'policy' as const, name, table: own, position })),
  )
  const owner = catalog.tables.get(table)
  return owner ? [...policies, ...ownReaders(owner, table, column, (text) => reads(text, table))] : policies
}

function ownReaders(
  { columns, triggers }: Table,
  table: string,
  column: string,
  reads: (text: string | null) => boolean,
): ColumnReader[] {
  return [
    ...[...columns.values()]
      .filter(({ generated }) => reads(generated?.replace(/ virtual$/, '') ?? null))
      .map(({ name, position }) => ({ kind: 'generated column' as const, name, table, position })),
    ...[...triggers.values()]
      .filter(({ when, updateColumns }) => updateColumns.includes(column) || reads(when))
      .map(({ name, position }) => ({ kind: 'trigger' as const, name, table, position })),
  ]
}

/** `own` is the table whose columns the expression names without saying so. */
function readsColumn(catalog: Catalog, text: string, own: string, table: string, column: string): boolean {
  if (!text.includes(column)) return false
  // The catalog's texts say the schema of what is not in `public`.
  const fold = { ...startFold({ searchPath: [DEFAULT_SCHEMA] }), catalog }
  const uses = usesOfText(fold, 'expression', text, own) ?? []
  return uses.some((use) => use.kind === 'column' && use.table === table && use.column === column)
}
