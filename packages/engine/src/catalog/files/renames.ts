import { quoteIdentifier } from '../../bundle/quote.ts'
import type { Node } from '../../parse/parser.ts'
import { objectNames } from '../../parse/references.ts'
import type { Constraint, Table } from '../model.ts'
import { otherKey } from '../live/others.ts'
import { renamedColumn } from './apply-renaming.ts'
import { applyEdits, nameParts } from './edit-text.ts'
import { markUnknown, withPartitions, type Fold } from './fold.ts'
import { forget, noteGone } from './gone.ts'
import { routineKey } from './grants.ts'
import { find, findIndex, indexNamed, relationName, typeNamed, type Name } from './names.ts'
import { findOther } from './others.ts'
import { rekey } from './rekey.ts'
import { listInParentheses } from './source-text.ts'
import { unvalidatedColumn } from './unvalidated-column.ts'
import { moveRelation, moveRoutine, moveType } from './move-objects.ts'
import { renameSchema } from './rename-schema.ts'

type RenameNode = Extract<Node, { RenameStmt: unknown }>['RenameStmt']

/** ALTER .. RENAME. What names the object by its old name follows, as in PostgreSQL; bodies of functions do not. */
export function rename(fold: Fold, node: RenameNode): void {
  const to = node.newname ?? ''
  const from = node.subname ?? ''
  const { object } = node
  switch (node.renameType) {
    case 'OBJECT_TABLE':
    case 'OBJECT_VIEW':
    case 'OBJECT_MATVIEW':
    case 'OBJECT_SEQUENCE':
    case 'OBJECT_INDEX':
    case 'OBJECT_FOREIGN_TABLE':
      return renameRelation(fold, node, to)
    case 'OBJECT_COLUMN':
    case 'OBJECT_TABCONSTRAINT':
    case 'OBJECT_POLICY':
    case 'OBJECT_TRIGGER':
    case 'OBJECT_RULE':
      return renamePart(fold, node, from, to)
    case 'OBJECT_ATTRIBUTE':
      return renameAttribute(fold, relationTypeName(fold, node), from, to)
    case 'OBJECT_TYPE':
    case 'OBJECT_DOMAIN':
      return moveType(fold, typeNamed(fold, objectNames(object)), { name: to })
    case 'OBJECT_DOMCONSTRAINT':
      return renameDomainCheck(fold, typeNamed(fold, objectNames(object)), from, to)
    case 'OBJECT_FUNCTION':
    case 'OBJECT_PROCEDURE':
    case 'OBJECT_ROUTINE':
    case 'OBJECT_AGGREGATE':
      if (object && 'ObjectWithArgs' in object)
        return moveRoutine(fold, routineKey(fold, object.ObjectWithArgs) ?? '', { name: to })
      return
    case 'OBJECT_SCHEMA':
      return renameSchema(fold, from, to)
    case 'OBJECT_ROLE':
      return renameRole(fold, from, to)
    case 'OBJECT_STATISTIC_EXT': {
      const own = find(fold, objectNames(object), (key) => fold.catalog.statistics.has(key))
      return rekey(fold.catalog.statistics, own.key, `${own.schema}.${to}`, { name: to })
    }
    case 'OBJECT_PUBLICATION':
      return renamePublication(fold, from || objectNames(object).join('.'), to)
    case 'OBJECT_EVENT_TRIGGER':
      return rekey(fold.catalog.eventTriggers, from || objectNames(object).join('.'), to, { name: to })
    default:
      return renameOther(fold, node, to)
  }
}

function renamePublication(fold: Fold, from: string, to: string): void {
  if (!fold.catalog.publications.has(from)) return
  rekey(fold.catalog.publications, from, to, { name: to })
  noteGone(fold, `publication ${from}`, 'renamed', to)
  forget(fold, `publication ${to}`)
}

/** ALTER TABLE .. RENAME works for indexes, views and sequences too, and ALTER INDEX for tables. */
function renameRelation(fold: Fold, node: RenameNode, to: string): void {
  const own = relationName(fold, node.relation)
  const names = node.relation?.schemaname ? [node.relation.schemaname, own.name] : [own.name]
  const index = indexNamed(fold, names)
  if (findIndex(fold.catalog, index.schema, index.name)) return renameIndex(fold, index, to)
  return moveRelation(fold, own, { name: to })
}

function renameIndex(fold: Fold, { schema, name, key }: Name, to: string): void {
  const found = findIndex(fold.catalog, schema, name)
  if (!found) return
  noteGone(fold, key, 'renamed', `${schema}.${to}`)
  forget(fold, `${schema}.${to}`)
  rekey(found.indexes, name, to, { name: to })
  const table = fold.catalog.tables.get(found.owner)
  if (!table) return
  rekey(table.constraints, name, to, { name: to })
  if (table.replicaIdentity === `index ${name}`)
    fold.catalog.tables.set(found.owner, { ...table, replicaIdentity: `index ${to}` })
}

function renamePart(fold: Fold, node: RenameNode, from: string, to: string): void {
  const { key } = relationName(fold, node.relation)
  const table = fold.catalog.tables.get(key)
  const owner = table ?? fold.catalog.views.get(key)
  if (!owner) return
  if (node.renameType === 'OBJECT_COLUMN')
    return table ? renameTreeColumn(fold, table, from, to) : renameViewColumn(fold, key, from, to)
  noteGone(fold, `${key}.${from}`, 'renamed', `${key}.${to}`)
  if (node.renameType === 'OBJECT_RULE') return rekey(owner.rules, from, to, { name: to })
  if (node.renameType === 'OBJECT_TRIGGER') {
    for (const own of table ? withPartitions(fold.catalog, table) : [owner]) rekey(own.triggers, from, to, { name: to })
    return
  }
  if (!table) return
  if (node.renameType === 'OBJECT_POLICY') return rekey(table.policies, from, to, { name: to })
  // an inherited check or not null has one name in the whole tree, keys have their own
  const isShared = table.constraints.get(from)?.kind === 'check' || unvalidatedColumn(table, from) !== undefined
  for (const own of isShared ? withPartitions(fold.catalog, table) : [table]) {
    const column = unvalidatedColumn(own, from)
    if (column) column.unvalidatedNotNull = to
    rekey(own.constraints, from, to, { name: to })
    rekey(own.indexes, from, to, { name: to })
  }
}

/** A view keeps its query; the names of its columns are its own. */
function renameViewColumn(fold: Fold, key: string, from: string, to: string): void {
  const view = fold.catalog.views.get(key)
  if (!view) return
  renamedColumn(fold, key, from, to)
  const columns = view.columns.map((column) => (column === from ? to : column))
  const renamed = (texts: Record<string, string>) =>
    Object.fromEntries(Object.entries(texts).map(([column, text]) => [column === from ? to : column, text]))
  const columnComments = renamed(view.columnComments)
  const columnDefaults = renamed(view.columnDefaults)
  for (const [name, index] of view.indexes) {
    const keys = index.keys.map((own) => (own.column === from ? { ...own, column: to } : own))
    view.indexes.set(name, { ...index, keys })
  }
  fold.catalog.views.set(key, { ...(fold.catalog.views.get(key) ?? view), columns, columnComments, columnDefaults })
}

function renameTreeColumn(fold: Fold, table: Table, from: string, to: string): void {
  for (const own of withPartitions(fold.catalog, table)) renameColumn(fold, own, from, to)
}

function renameColumn(fold: Fold, table: Table, from: string, to: string): void {
  const key = `${table.schema}.${table.name}`
  if (!table.columns.has(from)) return
  renamedColumn(fold, key, from, to)
  noteGone(fold, `${key}.${from}`, 'renamed', `${key}.${to}`)
  forget(fold, `${key}.${to}`)
  rekey(table.columns, from, to, { name: to })
  const swap = (names: readonly string[]) => names.map((name) => (name === from ? to : name))
  for (const [name, constraint] of table.constraints) {
    if (!constraint.columns.includes(from)) continue
    const columns = constraint.kind === 'check' ? swap(constraint.columns).toSorted() : swap(constraint.columns)
    const definition = renameInDefinition(constraint, from, to)
    table.constraints.set(name, { ...constraint, columns, definition })
  }
  for (const [name, index] of table.indexes) {
    const keys = index.keys.map((own) => (own.column === from ? { ...own, column: to } : own))
    table.indexes.set(name, { ...index, keys, include: swap(index.include) })
  }
  for (const [name, trigger] of table.triggers)
    if (trigger.updateColumns.includes(from))
      table.triggers.set(name, { ...trigger, updateColumns: swap(trigger.updateColumns) })
  table.grants = table.grants.map((grant) => (grant.column === from ? { ...grant, column: to } : grant))
  renameElsewhere(fold, key, from, to, swap)
}

/** Checks are texts that are rewritten already. */
function renameInDefinition({ kind, definition }: Constraint, from: string, to: string): string {
  if (kind === 'check') return definition
  if (kind !== 'exclude') return renameInLists(definition, from, to, 'own')
  // the elements of an exclusion that are columns; expressions are rewritten already
  const edits = listInParentheses(definition, 0).flatMap(({ start }) => {
    const [part] = nameParts(definition, start)
    return part && definition.slice(part.start, part.end) === quoteIdentifier(from)
      ? [{ ...part, text: quoteIdentifier(to) }]
      : []
  })
  return applyEdits(definition, edits)
}

function renameElsewhere(
  fold: Fold,
  key: string,
  from: string,
  to: string,
  swap: (names: readonly string[]) => string[],
): void {
  const { catalog } = fold
  for (const other of catalog.tables.values()) {
    for (const [name, constraint] of other.constraints) {
      if (constraint.references !== key || !constraint.referencedColumns.includes(from)) continue
      const definition = renameInLists(constraint.definition, from, to, 'referenced')
      const referencedColumns = swap(constraint.referencedColumns)
      other.constraints.set(name, { ...constraint, referencedColumns, definition })
    }
  }
  for (const [name, sequence] of catalog.sequences)
    if (sequence.ownedBy === `${key}.${from}`) catalog.sequences.set(name, { ...sequence, ownedBy: `${key}.${to}` })
  for (const [name, publication] of catalog.publications) {
    const tables = publication.tables.map((own) =>
      own.table === key ? { ...own, columns: own.columns && swap(own.columns) } : own,
    )
    catalog.publications.set(name, { ...publication, tables })
  }
}

/** The column lists of a key: its own come before REFERENCES or behind an action, the other table's right behind REFERENCES. */
function renameInLists(definition: string, from: string, to: string, whose: 'own' | 'referenced'): string {
  return definition.replace(/( REFERENCES [^(]*)?\(([^()]*)\)/g, (whole, head: string | undefined, list: string) => {
    if ((head !== undefined) !== (whose === 'referenced')) return whole
    const names = list.split(', ').map((name) => (name === quoteIdentifier(from) ? quoteIdentifier(to) : name))
    return `${head ?? ''}(${names.join(', ')})`
  })
}

function relationTypeName(fold: Fold, { relation }: RenameNode): string {
  return typeNamed(fold, [...(relation?.schemaname ? [relation.schemaname] : []), relation?.relname ?? '']).key
}

function renameAttribute(fold: Fold, key: string, from: string, to: string): void {
  const type = fold.catalog.types.get(key)
  const attributes = type?.attributes.map((own) => (own.name === from ? { ...own, name: to } : own))
  if (type && attributes) fold.catalog.types.set(key, { ...type, attributes })
}

function renameDomainCheck(fold: Fold, { key }: Name, from: string, to: string): void {
  const type = fold.catalog.types.get(key)
  const checks = type?.checks.map((own) => (own.name === from ? { ...own, name: to } : own))
  if (type && checks)
    fold.catalog.types.set(key, { ...type, checks: checks.toSorted((a, b) => (a.name < b.name ? -1 : 1)) })
}

function renameRole(fold: Fold, from: string, to: string): void {
  rekey(fold.catalog.roles, from, to, { name: to })
  markUnknown(fold, `rename of role ${from}, which grants and policies name`)
}

function renameOther(fold: Fold, node: RenameNode, to: string): void {
  const found = findOther(fold, String(node.renameType), node.object)
  if (!found)
    return markUnknown(
      fold,
      `rename of ${String(node.renameType).replace('OBJECT_', '').replaceAll('_', ' ').toLowerCase()}`,
    )
  // the access method is a part of the name of a family or class
  const [, method = ''] = /^operator (?:family|class)$/.test(found.kind) ? (/( using \S+)$/.exec(found.name) ?? []) : []
  const name = to + method
  rekey(fold.catalog.others, found.key, otherKey({ ...found, name }), { name })
}
