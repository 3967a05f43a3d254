import type { MovedColumn, MovedTable, SharedColumn, SharedTable, TableName } from '../../model.ts'
import { mapTables } from '../../types/map-tables.ts'
import { parseSourceType, typeFamily, type SourceType, type TypeFamily } from '../../types/source-type.ts'
import { collationOf, type CollationName } from './collations.ts'

/** A table of the service: as the shared database has it, and as it will be. */
export interface DerivedTable {
  readonly shared: SharedTable
  readonly target: TableName
  /** Of `MovedTable`: the primary key, or the declared one. */
  readonly key: readonly string[]
  readonly columns: readonly DerivedColumn[]
}

export interface DerivedColumn {
  readonly name: string
  readonly shared: SharedColumn
  readonly type: SourceType
  readonly family: TypeFamily | null
  /** On PostgreSQL. */
  readonly targetType: string
  readonly nullable: boolean
  readonly collation: CollationName | null
  readonly zeroDate: MovedColumn['zeroDate']
}

export function deriveTable(shared: SharedTable, moved: MovedTable): DerivedTable {
  const types = new Map([...moved.columns, ...mapGenerated(shared)].map((column) => [column.name, column]))
  return {
    shared,
    target: moved.target,
    key: moved.key,
    columns: shared.columns.flatMap((column): DerivedColumn[] => {
      const mapped = types.get(column.name)
      if (!mapped) return []
      const type = parseSourceType(column.type)
      return [
        {
          name: column.name,
          shared: column,
          type,
          family: typeFamily(type),
          targetType: mapped.targetType,
          nullable: mapped.nullable,
          collation: collationOf(shared, moved.key, column),
          zeroDate: mapped.zeroDate,
        },
      ]
    }),
  }
}

/** Types of columns that are not moved but computed: there is nothing to know of their rows. */
function mapGenerated(shared: SharedTable): readonly MovedColumn[] {
  const columns = shared.columns
    .filter(({ generated }) => generated !== null)
    .map((column) => ({ ...column, generated: null }))
  const facts = { rows: 0, columns: new Map() }
  return mapTables([{ ...shared, columns, foreignKeys: [] }], { facts: () => facts }).tables[0]?.columns ?? []
}
