import type { Column, Index, Table, Trigger } from '../model.ts'
import type { Command } from './alter-table.ts'
import { chooseName } from './choose-name.ts'
import { inheritConstraint } from './constraints.ts'
import type { Fold } from './fold.ts'
import { isIndexNameTaken, indexNameParts } from './index-keys.ts'
import { relationName } from './names.ts'
import { qualify } from './qualify.ts'

/** The columns that a new table starts with: those of its parents, one of a name. */
export function inheritColumns(fold: Fold, table: Table, parent: string): void {
  for (const column of fold.catalog.tables.get(parent)?.columns.values() ?? []) inheritColumn(table, column)
}

export function inheritColumn(table: Table, column: Column): void {
  const own = table.columns.get(column.name)
  if (own) own.notNull ||= column.notNull
  else table.columns.set(column.name, { ...column, ...NOT_INHERITED, ordinal: table.columns.size + 1 })
}

/** An identity is the parent's alone, but for partitions of PostgreSQL 17 and later. */
const NOT_INHERITED = {
  comment: null,
  identity: null,
  identitySequence: null,
  statistics: null,
  options: [],
  // a new table has no old rows
  unvalidatedNotNull: null,
}

/** What a new or attached partition takes over: keys, checks, foreign keys, indexes, row triggers. Never policies or grants. */
export function inheritFrom(fold: Fold, table: Table, parentKey: string): void {
  const parent = fold.catalog.tables.get(parentKey)
  if (!parent) return
  for (const constraint of parent.constraints.values()) {
    const index = parent.indexes.get(constraint.name)
    inheritConstraint(fold, table, constraint, index?.fromConstraint ? index : undefined)
  }
  for (const index of parent.indexes.values())
    if (!index.fromConstraint) inheritIndex(fold, table, index, parent.schema)
  for (const trigger of parent.triggers.values()) inheritTrigger(table, trigger)
}

/** A partition's own index of the same definition becomes its part of the parent's. */
export function inheritIndex(fold: Fold, partition: Table, index: Index, parentSchema: string): void {
  const parent = `${parentSchema}.${index.name}`
  const equal = [...partition.indexes.values()].find(
    (own) => isSameIndex(own, index) && !fold.indexParents.has(`${partition.schema}.${own.name}`),
  )
  if (equal) return void fold.indexParents.set(`${partition.schema}.${equal.name}`, parent)
  const isTaken = (own: string) => isIndexNameTaken(fold, partition.schema, own)
  const name = chooseName(partition.name, indexNameParts(index), 'idx', isTaken)
  partition.indexes.set(name, { ...index, name, comment: null })
  fold.indexParents.set(`${partition.schema}.${name}`, parent)
}

function isSameIndex(left: Index, right: Index): boolean {
  const essence = ({ unique, method, keys, include, predicate, nullsNotDistinct }: Index) =>
    JSON.stringify([unique, method, keys, include, predicate, nullsNotDistinct])
  return essence(left) === essence(right)
}

export function inheritTrigger(partition: Table, trigger: Trigger): void {
  if (trigger.level === 'row') partition.triggers.set(trigger.name, { ...trigger, comment: null })
}

export function attachPartition(fold: Fold, table: Table, { def }: Command, text: string): void {
  const partition = def && 'PartitionCmd' in def ? relationName(fold, def.PartitionCmd.name) : null
  const child = partition ? fold.catalog.tables.get(partition.key) : undefined
  if (!partition || !child) return
  const parent = `${table.schema}.${table.name}`
  const bound = /\bdefault\s*$/i.test(text) ? 'default' : text.replace(/^.*?\bfor\s+values/is, 'for values')
  const attached: Table = { ...child, partitionOf: parent, partitionBound: qualify(fold, 'bound', bound) }
  fold.catalog.tables.set(partition.key, attached)
  for (const column of table.columns.values()) {
    const own = attached.columns.get(column.name)
    if (own) own.notNull ||= column.notNull
  }
  inheritFrom(fold, attached, parent)
}

export function detachPartition(fold: Fold, { def }: Command): void {
  const { key } = relationName(fold, def && 'PartitionCmd' in def ? def.PartitionCmd.name : undefined)
  const child = fold.catalog.tables.get(key)
  if (!child) return
  // clones of the parent's row triggers go
  const parent = fold.catalog.tables.get(child.partitionOf ?? '')
  for (const name of parent?.triggers.keys() ?? []) child.triggers.delete(name)
  for (const index of child.indexes.keys()) fold.indexParents.delete(`${child.schema}.${index}`)
  fold.catalog.tables.set(key, { ...child, partitionOf: null, partitionBound: null })
}

/** ALTER TABLE .. INHERIT: the columns and checks must be there already. */
export function inheritFromTable(fold: Fold, table: Table, parent: string): void {
  if (table.inherits.includes(parent)) return
  for (const column of table.columns.keys()) fold.localColumns.add(`${table.schema}.${table.name}.${column}`)
  fold.catalog.tables.set(`${table.schema}.${table.name}`, { ...table, inherits: [...table.inherits, parent] })
}

export function stopInheriting(fold: Fold, table: Table, parent: string): void {
  const inherits = table.inherits.filter((own) => own !== parent)
  fold.catalog.tables.set(`${table.schema}.${table.name}`, { ...table, inherits })
}
