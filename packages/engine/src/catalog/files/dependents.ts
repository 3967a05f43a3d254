import { quoteQualified } from '../../bundle/quote.ts'
import type { Table } from '../model.ts'
import { usesOfText } from './edit-text.ts'
import { DEFAULT_SCHEMA, withPartitions, type Fold } from './fold.ts'
import { noteGone } from './gone.ts'
import { storedTexts, type Stored } from './stored.ts'
import type { Use } from './uses.ts'

/** Drops of objects with what depends on them: PostgreSQL refuses a drop that would leave anything behind, or takes that along. */

/** Texts that use something; texts without the word are not looked at. */
function dependents(fold: Fold, word: string, isUse: (use: Use) => boolean): Stored[] {
  const path = fold.searchPath
  fold.searchPath = [DEFAULT_SCHEMA]
  const found = [...storedTexts(fold.catalog, (text) => text.includes(word))].filter(
    ({ kind, text, table }) => usesOfText(fold, kind, text, table)?.some(isUse) === true,
  )
  fold.searchPath = path
  return found
}

function dropStored(fold: Fold, texts: readonly Stored[]): void {
  for (const stored of texts) {
    const { whole } = stored
    if (!whole) stored.drop()
    else if (whole.kind === 'view') dropRelation(fold, whole.key)
    else if (whole.kind === 'routine') dropRoutine(fold, whole.key)
    else {
      const table = fold.catalog.tables.get(whole.key)
      if (table) dropColumn(fold, table, whole.name)
    }
  }
}

/** Drops a table with its partitions and heirs, a view or a sequence. */
export function dropRelation(fold: Fold, key: string): void {
  const { catalog } = fold
  const table = catalog.tables.get(key)
  const relation = table ?? catalog.views.get(key) ?? catalog.sequences.get(key)
  if (!relation) return
  const users = dependents(fold, relation.name, (use) => isOf(use, ['relation', 'quoted', 'type'], key))
  for (const heir of table ? withPartitions(catalog, table).slice(1) : [])
    dropRelation(fold, `${heir.schema}.${heir.name}`)
  for (const map of [catalog.tables, catalog.views, catalog.sequences]) map.delete(key)
  noteGone(fold, key)
  for (const [name, sequence] of catalog.sequences)
    if (sequence.ownedBy?.startsWith(`${key}.`)) dropRelation(fold, name)
  for (const other of catalog.tables.values()) {
    for (const constraint of other.constraints.values())
      if (constraint.references === key) other.constraints.delete(constraint.name)
  }
  for (const [name, own] of catalog.statistics) if (own.table === key) catalog.statistics.delete(name)
  for (const [name, publication] of catalog.publications) {
    const tables = publication.tables.filter((own) => own.table !== key)
    if (tables.length < publication.tables.length) catalog.publications.set(name, { ...publication, tables })
  }
  dropStored(
    fold,
    users.filter((stored) => stored.table !== key),
  )
  if (table) dropUsersOfType(fold, table.schema, table.name)
}

function isOf(use: Use, kinds: readonly Use['kind'][], key: string): boolean {
  return kinds.includes(use.kind) && 'key' in use && use.key === key
}

export function dropType(fold: Fold, key: string): void {
  const type = fold.catalog.types.get(key)
  if (!type) return
  const users = dependents(fold, type.name, (use) => isOf(use, ['type'], key))
  fold.catalog.types.delete(key)
  noteGone(fold, key)
  dropUsersOfType(fold, type.schema, type.name)
  dropStored(fold, users)
}

/** Columns, fields, domains and routines of a type. */
function dropUsersOfType(fold: Fold, schema: string, name: string): void {
  const { catalog } = fold
  const word = new RegExp(`(?<![\\w."$])${escapeRegExp(quoteQualified(schema, name))}(?![\\w."$])`)
  for (const table of catalog.tables.values()) {
    for (const column of table.columns.values()) if (word.test(column.type)) dropColumn(fold, table, column.name)
  }
  for (const [key, type] of catalog.types) {
    if (type.base !== null && word.test(type.base)) dropType(fold, key)
    const attributes = type.attributes.filter((own) => !word.test(own.type))
    if (attributes.length < type.attributes.length) catalog.types.set(key, { ...type, attributes })
  }
  for (const [key, own] of catalog.functions) if (word.test(key) || word.test(own.returns)) dropRoutine(fold, key)
}

function escapeRegExp(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

/** Drops a routine with triggers, aggregates, operators and texts that call it, as far as the name tells. */
export function dropRoutine(fold: Fold, key: string): void {
  const { catalog } = fold
  const routine = catalog.functions.get(key)
  if (!routine) return
  const name = `${routine.schema}.${routine.name}`
  const isOnly = ![...catalog.functions.keys()].some((other) => other !== key && other.startsWith(`${name}(`))
  const arity = routine.argumentTypes.length
  const users = dependents(
    fold,
    routine.name,
    (use) => isOf(use, ['routine'], name) && (isOnly || ('arity' in use && use.arity === arity)),
  )
  catalog.functions.delete(key)
  noteGone(fold, key)
  if (arity === 0 && routine.returns === 'trigger') {
    for (const owner of [...catalog.tables.values(), ...catalog.views.values()])
      for (const trigger of owner.triggers.values()) if (trigger.function === name) owner.triggers.delete(trigger.name)
  }
  for (const [trigger, own] of catalog.eventTriggers) if (own.function === name) catalog.eventTriggers.delete(trigger)
  const word = new RegExp(`=\\s*(${escapeRegExp(name)}|${escapeRegExp(routine.name)})\\s*[,)]`)
  if (isOnly) {
    for (const [other, own] of catalog.functions)
      if (own.definition !== null && word.test(own.definition)) dropRoutine(fold, other)
    for (const [other, own] of catalog.others)
      if (own.kind === 'operator' && word.test(own.definition ?? '')) catalog.others.delete(other)
  }
  dropStored(fold, users)
}

/** Drops a column with everything over it: keys, indexes, checks, foreign keys of other tables, views, policies. */
export function dropColumn(fold: Fold, table: Table, name: string): void {
  const { catalog } = fold
  const key = `${table.schema}.${table.name}`
  const own = catalog.tables.get(key) ?? table
  if (!own.columns.has(name)) return
  const users = dependents(fold, name, (use) => use.kind === 'column' && use.table === key && use.column === name)
  own.columns.delete(name)
  noteGone(fold, `${key}.${name}`)
  let ordinal = 0
  for (const column of own.columns.values()) own.columns.set(column.name, { ...column, ordinal: ++ordinal })
  for (const constraint of own.constraints.values())
    if (constraint.columns.includes(name)) dropConstraint(fold, own, constraint.name)
  for (const index of own.indexes.values()) {
    if (index.keys.some((part) => part.column === name) || index.include.includes(name)) own.indexes.delete(index.name)
  }
  for (const trigger of own.triggers.values())
    if (trigger.updateColumns.includes(name)) own.triggers.delete(trigger.name)
  own.grants = own.grants.filter((grant) => grant.column !== name)
  for (const [sequence, { ownedBy }] of catalog.sequences)
    if (ownedBy === `${key}.${name}`) dropRelation(fold, sequence)
  for (const [statistics, { table: of, expressions }] of catalog.statistics)
    if (of === key && expressions.includes(name)) catalog.statistics.delete(statistics)
  dropStored(fold, users)
}

/** Drops a constraint with its index, and with a key the foreign keys that point to its columns. */
export function dropConstraint(fold: Fold, table: Table, name: string): void {
  const constraint = table.constraints.get(name)
  table.constraints.delete(name)
  table.indexes.delete(name)
  if (!constraint) return
  const key = `${table.schema}.${table.name}`
  noteGone(fold, `${key}.${name}`)
  if (constraint.kind !== 'primary key' && constraint.kind !== 'unique') return
  const columns = constraint.columns.toSorted().join()
  const isLeft = [...table.constraints.values()].some(
    (own) => (own.kind === 'primary key' || own.kind === 'unique') && own.columns.toSorted().join() === columns,
  )
  if (isLeft) return
  for (const other of fold.catalog.tables.values()) {
    for (const own of other.constraints.values())
      if (own.references === key && own.referencedColumns.toSorted().join() === columns)
        other.constraints.delete(own.name)
  }
}
