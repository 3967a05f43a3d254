import { quoteIdentifier, quoteQualified } from '@imhotep/engine'
import { tableId, type ReferentialAction, type SharedForeignKey } from '../../model.ts'
import type { OwnedForeignKey } from '../../side.ts'
import type { DerivedColumn, DerivedTable } from './derived-table.ts'
import type { Report } from './left-out.ts'
import type { Names } from './names.ts'

/** Looks a table of the service up by its name in the shared database. */
export type TablesBySource = ReadonlyMap<string, DerivedTable>

/** The foreign keys of a table that stay inside of the service, by its names. */
export function foreignKeysOf(
  table: DerivedTable,
  columns: readonly DerivedColumn[],
  inside: TablesBySource,
  names: Names,
  report: Report,
): OwnedForeignKey[] {
  return table.shared.foreignKeys.flatMap((key) => {
    const parent = inside.get(tableId(key.references))
    const object = `foreign key ${key.name}`
    if (!parent) {
      const reason = `${tableId(key.references)} is no table of this service`
      report(table, object, reason, 'keep it as a loose foreign key')
      return []
    }
    if (!hasUnique(parent, key.references.columns)) {
      const reason = `${key.references.columns.join(', ')} of ${tableId(key.references)} is not unique`
      report(table, object, reason, 'let it point to a unique key first')
      return []
    }
    if (!key.columns.every((name) => columns.some((column) => column.name === name))) {
      report(table, object, 'a column of it is left out', 'add it together with the column')
      return []
    }
    return [
      {
        table: table.target,
        name: names.take(key.name),
        columns: key.columns,
        references: { ...parent.target, columns: key.references.columns },
        onDelete: actionOf(key.onDelete),
        onUpdate: actionOf(key.onUpdate),
      },
    ]
  })
}

export function foreignKeyDefinition({ columns, references, onDelete, onUpdate }: SharedForeignKey): string {
  const list = (names: readonly string[]) => `(${names.map(quoteIdentifier).join(', ')})`
  const action = (event: string, does: ReferentialAction) => (does === 'no action' ? '' : ` on ${event} ${does}`)
  return (
    `foreign key ${list(columns)} references ${quoteQualified(references.schema, references.name)} ` +
    `${list(references.columns)}${action('delete', onDelete)}${action('update', onUpdate)}`
  )
}

/** MariaDB makes no difference between the two. */
function actionOf(action: ReferentialAction): ReferentialAction {
  return action === 'restrict' ? 'no action' : action
}

/** InnoDB lets a foreign key point to anything with an index. */
function hasUnique({ key, shared }: DerivedTable, columns: readonly string[]): boolean {
  const isSame = (others: readonly string[]) =>
    others.length === columns.length && others.every((name) => columns.includes(name))
  return (
    isSame(key) ||
    shared.indexes.some(
      ({ unique, columns: others, parts }) =>
        unique && isSame(others) && (parts ?? []).every(({ prefix }) => prefix === null),
    )
  )
}
