import { quoteIdentifier } from '../../../bundle/quote.ts'
import { withPartitions } from '../../../catalog/files/fold.ts'
import { listInParentheses, trimmed } from '../../../catalog/files/source-text.ts'
import type { Catalog, Table } from '../../../catalog/model.ts'
import type { ParsedStatement } from '../../../parse/parse-sql.ts'
import { path } from '../../../parse/references.ts'
import { relationKey } from '../../history/names.ts'
import { addedConstraint, alterSteps, columnConstraints, type ConstraintNode } from '../../locks/alter-steps.ts'
import type { LintRule } from '../../rule.ts'

type Content<Tag extends string> = Extract<ParsedStatement['node'], Record<Tag, unknown>>[Tag]

/** A primary key, unique constraint or unique index that a statement gives to a table. */
interface UniqueKey {
  readonly columns: readonly string[]
  readonly at?: number
}

/** By what rows find their partition: columns, null for an expression. */
type PartitionKey = readonly (string | null)[]

export const uniqueWithoutPartitionKey: LintRule = {
  id: 'unique-without-partition-key',
  family: 'history',
  severity: 'error',
  effect: 'PostgreSQL refuses the statement: an index tells rows apart within one partition only.',
  instead:
    'Add the columns of the partition key to the key. Where a column must be unique across partitions, keep it in a table of its own that is not partitioned.',
  on: ['CreateStmt', 'AlterTableStmt', 'IndexStmt'],
  *check(statement, { catalog }) {
    const { node } = statement
    if ('CreateStmt' in node) {
      const { relation, if_not_exists: isTolerant } = node.CreateStmt
      const table = relationKey(relation)
      if (isTolerant && catalog.tables.has(table)) return
      yield* problems(table, [keyOfNode(node.CreateStmt)], keysOfTable(node.CreateStmt, catalog))
    }
    if ('AlterTableStmt' in node) {
      const table = relationKey(node.AlterTableStmt.relation)
      yield* problems(table, partitionKeys(table, catalog), addedKeys(statement))
      for (const { command, start: at } of alterSteps(statement)) {
        if (command.subtype !== 'AT_AttachPartition' || !command.def || !('PartitionCmd' in command.def)) continue
        const partition = relationKey(command.def.PartitionCmd.name)
        const keys = keysFromParent(catalog.tables.get(table)).map(({ columns }) => ({ columns, at }))
        yield* problems(partition, partitionKeys(partition, catalog), keys)
      }
    }
    if ('IndexStmt' in node && node.IndexStmt.unique) {
      const { relation, idxname: name, if_not_exists: isTolerant } = node.IndexStmt
      const table = relationKey(relation)
      if (isTolerant && catalog.tables.get(table)?.indexes.has(name ?? '')) return
      yield* problems(table, partitionKeys(table, catalog), [{ columns: indexedColumns(node.IndexStmt) }])
    }
  },
}

function* problems(table: string, keys: readonly PartitionKey[], added: readonly UniqueKey[]) {
  for (const { columns, at } of added) {
    const missing = keys.flat().filter((column) => column === null || !columns.includes(column))
    if (missing.length === 0) continue
    const shown = columns.join(', ')
    const message = missing.includes(null)
      ? `no key (${shown}) can hold for all of '${table}': it is partitioned by an expression`
      : `key (${shown}) lacks ${[...new Set(missing)].map((column) => `'${column}'`).join(', ')}, by which '${table}' is partitioned`
    yield { object: table, message, ...(at === undefined ? {} : { at }) }
  }
}

function keyOfNode({ partspec }: Content<'CreateStmt'>): PartitionKey {
  return (partspec?.partParams ?? []).map((param) =>
    'PartitionElem' in param ? (param.PartitionElem.name ?? null) : null,
  )
}

/** Its own, and for a partition those of its parent. */
function keysOfTable({ tableElts = [], inhRelations = [], partbound }: Content<'CreateStmt'>, catalog: Catalog) {
  const own = tableElts.flatMap((element): UniqueKey[] =>
    'Constraint' in element
      ? keyOfConstraint(element.Constraint)
      : 'ColumnDef' in element
        ? keysOfColumn(element.ColumnDef)
        : [],
  )
  const [parent] = inhRelations
  if (!partbound || !parent || !('RangeVar' in parent)) return own
  return [...own, ...keysFromParent(catalog.tables.get(relationKey(parent.RangeVar)))]
}

/** What a partitioned table gives to its partitions. */
function keysFromParent(parent: Table | undefined): UniqueKey[] {
  if (!parent) return []
  const inherited = [...parent.constraints.values()].filter(({ kind }) => kind === 'primary key' || kind === 'unique')
  const unique = [...parent.indexes.values()]
    .filter((index) => index.unique && !index.fromConstraint)
    .map(({ keys }) => ({ columns: keys.flatMap(({ column }) => column ?? []) }))
  return [...inherited, ...unique]
}

function addedKeys(statement: ParsedStatement): UniqueKey[] {
  return alterSteps(statement).flatMap((step) => {
    const { subtype, def } = step.command
    const constraint = addedConstraint(step)
    const keys = constraint
      ? keyOfConstraint(constraint)
      : subtype === 'AT_AddColumn' && def && 'ColumnDef' in def
        ? keysOfColumn(def.ColumnDef)
        : []
    return keys.map(({ columns }) => ({ columns, at: step.start }))
  })
}

function keyOfConstraint({ contype, keys, indexname }: ConstraintNode, column?: string): UniqueKey[] {
  if (indexname || (contype !== 'CONSTR_PRIMARY' && contype !== 'CONSTR_UNIQUE')) return []
  return [{ columns: column === undefined ? path(keys) : [column] }]
}

function keysOfColumn(column: Content<'ColumnDef'>): UniqueKey[] {
  return columnConstraints(column).flatMap((constraint) => keyOfConstraint(constraint, column.colname))
}

function indexedColumns({ indexParams = [] }: Content<'IndexStmt'>): string[] {
  return indexParams.flatMap((item) => ('IndexElem' in item ? (item.IndexElem.name ?? []) : []))
}

/** A key reaches partitions, which may be partitioned again. */
function partitionKeys(table: string, catalog: Catalog): PartitionKey[] {
  const own = catalog.tables.get(table)
  return own?.partitionKey == null ? [] : withPartitions(catalog, own).map(keyOfTable)
}

/** Of `range (at, lower(name))`. */
function keyOfTable({ columns, partitionKey }: Table): PartitionKey {
  if (partitionKey === null) return []
  return listInParentheses(partitionKey, 0).map((span) => {
    const text = trimmed(partitionKey, span)
    return [...columns.keys()].find((name) => name === text || quoteIdentifier(name) === text) ?? null
  })
}
