import type { Catalog, Constraint, Index } from '../catalog/model.ts'
import { replicaIdentityStatement } from '../print/print-table.ts'
import { outside, type DiffStatement } from './diff-statement.ts'

/**
 * Puts what is outside of a transaction behind all that can be one, so that nobody sees a moment without a view, a policy
 * or a trigger that is made again. What needs something that is made outside goes there too. The order stays otherwise.
 */
export function putOutsideLast(statements: readonly DiffStatement[], right: Catalog): DiffStatement[] {
  const foreignKeys = foreignKeysOf(right)
  const late = new Set<string>()
  const placed = statements.map((own) => {
    const mustWait =
      own.outside === true ||
      (late.has(own.object) && /^(index|constraint) /.test(own.object)) ||
      needsLatePart(right, foreignKeys.get(own.object), own, late)
    if (mustWait) late.add(own.object)
    return mustWait ? outside(own) : own
  })
  return [...placed.filter((own) => !own.outside), ...placed.filter((own) => own.outside)]
}

function foreignKeysOf(catalog: Catalog): Map<string, Constraint> {
  return new Map(
    [...catalog.tables].flatMap(([key, table]) =>
      [...table.constraints.values()]
        .filter(({ kind }) => kind === 'foreign key')
        .map((constraint) => [`constraint ${constraint.name} on ${key}`, constraint] as const),
    ),
  )
}

/** A foreign key stands on the key that it points to, a replica identity on its index and on not null of the columns. */
function needsLatePart(
  right: Catalog,
  foreignKey: Constraint | undefined,
  { object, sql }: DiffStatement,
  late: ReadonlySet<string>,
): boolean {
  const key = foreignKey ? (foreignKey.references ?? '') : object.slice('table '.length)
  const table = right.tables.get(key)
  if (!table || !(foreignKey || object.startsWith('table '))) return false
  const indexes = [...table.indexes.values()]
  if (foreignKey)
    return indexes.some((index) => isIndexLate(key, index, late) && hasColumns(index, foreignKey.referencedColumns))
  const index = indexes.find(({ name }) => table.replicaIdentity === `index ${name}`)
  if (!index || sql !== replicaIdentityStatement(table)) return false
  return isIndexLate(key, index, late) || index.keys.some(({ column }) => isColumnLate(right, key, column, late))
}

function isIndexLate(key: string, { name }: Index, late: ReadonlySet<string>): boolean {
  return late.has(`index ${name} on ${key}`) || late.has(`constraint ${name} on ${key}`)
}

/** Only its not null is made outside. A parent passes that on. */
function isColumnLate(right: Catalog, key: string, column: string | null, late: ReadonlySet<string>): boolean {
  const table = right.tables.get(key)
  if (!table || column === null || !table.columns.has(column)) return false
  const parents = table.partitionOf === null ? table.inherits : [table.partitionOf]
  return late.has(`column ${key}.${column}`) || parents.some((parent) => isColumnLate(right, parent, column, late))
}

/** In any order. */
function hasColumns({ keys }: Index, columns: readonly string[]): boolean {
  return (
    keys
      .map(({ column }) => column ?? '')
      .toSorted()
      .join('\0') === columns.toSorted().join('\0')
  )
}
