import { quoteIdentifier } from '../bundle/quote.ts'
import type { Catalog, Constraint, Table } from '../catalog/model.ts'
import { addConstraintStatement, isInsideTable } from '../print/print-constraint.ts'
import { indexStatement } from '../print/print-index.ts'
import { qualified } from '../print/sql-text.ts'
import type { Changes } from './changes.ts'
import type { DiffOptions } from './diff-catalogs.ts'
import { outside, statement, type DiffStatement } from './diff-statement.ts'
import { validation } from './validation.ts'

/**
 * Constraints of tables that both sides have, but foreign keys: partitions first, keys before checks. Keys of the tables
 * `atOnce` cannot wait until they are built while everybody works.
 */
export function addConstraints(
  changes: Changes,
  right: Catalog,
  tables: readonly Table[],
  atOnce: ReadonlySet<string>,
  options: DiffOptions,
): DiffStatement[] {
  return tables.flatMap((table) => {
    const key = `${table.schema}.${table.name}`
    if (changes.isNew(`table ${key}`)) return []
    return [...table.constraints.values()]
      .filter((constraint) => constraint.kind !== 'foreign key')
      .toSorted((a, b) => Number(a.kind === 'check') - Number(b.kind === 'check'))
      .flatMap((constraint) => {
        const waits = constraint.kind === 'check' || !atOnce.has(key)
        return addConstraint(changes, right, table, constraint, waits ? options : { ...options, concurrently: false })
      })
  })
}

/** A constraint that is new, made again or only to be validated on a table that is there. */
export function addConstraint(
  changes: Changes,
  right: Catalog,
  table: Table,
  constraint: Constraint,
  options: DiffOptions,
): DiffStatement[] {
  const object = `constraint ${constraint.name} on ${table.schema}.${table.name}`
  const validate = `alter table ${qualified(table)} validate constraint ${quoteIdentifier(constraint.name)}`
  if (!changes.isNew(object)) {
    const isToValidate = changes.properties(object).has('validated') && constraint.validated
    return isToValidate ? [validation(object, validate, options)] : []
  }
  if (comesFromParent(changes, right, table, constraint)) return []
  const add = addConstraintStatement(table, constraint)
  const canWait = (constraint.kind === 'check' || constraint.kind === 'foreign key') && constraint.validated
  // A foreign key of a partitioned table cannot be left to be validated before PostgreSQL 18.
  if (canWait && !(constraint.kind === 'foreign key' && table.partitionKey !== null)) {
    return [statement(object, `${add} not valid`), validation(object, validate, options)]
  }
  if (!isInsideTable(constraint)) return [statement(object, add)]
  return addKey(object, right, table, constraint, add, options)
}

/** Checks and foreign keys of a partitioned table reach its partitions under the same name. */
function comesFromParent(changes: Changes, right: Catalog, table: Table, constraint: Constraint): boolean {
  if (constraint.kind !== 'check' && (constraint.kind !== 'foreign key' || table.partitionOf === null)) return false
  const parents = table.partitionOf === null ? table.inherits : [table.partitionOf]
  return parents.some(
    (key) =>
      right.tables.get(key)?.constraints.get(constraint.name)?.kind === constraint.kind &&
      changes.isNew(`constraint ${constraint.name} on ${key}`),
  )
}

/** A key takes an index over that was built while everybody worked. */
function addKey(
  object: string,
  right: Catalog,
  table: Table,
  constraint: Constraint,
  add: string,
  options: DiffOptions,
): DiffStatement[] {
  const index = table.indexes.get(constraint.name)
  const isPlain = constraint.kind === 'primary key' || constraint.kind === 'unique'
  if (!options.concurrently || !index || !isPlain || table.partitionKey !== null || table.partitionOf !== null) {
    return [statement(object, add, 'locks', 'nobody writes while its index is built')]
  }
  const deferrable = constraint.deferrable
    ? ` deferrable${constraint.initiallyDeferred ? ' initially deferred' : ''}`
    : ''
  const using = `alter table ${qualified(table)} add constraint ${quoteIdentifier(constraint.name)} ${constraint.kind} using index ${quoteIdentifier(constraint.name)}`
  return [
    outside(statement(object, indexStatement(right, table, index, { concurrently: true }))),
    outside(statement(object, using + deferrable)),
  ]
}

/** An index on a table that is there. Those of partitions come before that of their table, which takes them over. */
export function addIndex(
  changes: Changes,
  right: Catalog,
  table: Table,
  object: string,
  name: string,
  options: DiffOptions,
): DiffStatement[] {
  const index = table.indexes.get(name)
  if (!index) return []
  const waits = options.concurrently && !(table.partitionOf !== null && changes.isNew(`table ${table.partitionOf}`))
  const concurrently = waits && table.partitionKey === null
  const sql = indexStatement(right, table, index, { concurrently })
  const create = concurrently
    ? statement(object, sql)
    : statement(object, sql, 'locks', 'nobody writes while it is built')
  return [waits ? outside(create) : create]
}
