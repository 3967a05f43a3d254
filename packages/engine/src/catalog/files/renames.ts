import type { Node } from '../../parse/parser.ts'
import type { Constraint, Table } from '../model.ts'
import { path } from '../../parse/references.ts'
import { markUnknown, relationName, withPartitions, type Fold } from './fold.ts'
import { forget, noteGone } from './gone.ts'
import { qualified } from './types.ts'

type RenameNode = Extract<Node, { RenameStmt: unknown }>['RenameStmt']

/** ALTER .. RENAME for tables, columns, constraints, indexes, views, sequences, policies, triggers, types and schemas. */
export function rename(fold: Fold, node: RenameNode): void {
  const { catalog } = fold
  const { schema, name, key } = relationName(node.relation)
  const newName = node.newname ?? ''
  const table = catalog.tables.get(key)
  const old = node.subname ?? ''
  switch (node.renameType) {
    case 'OBJECT_TABLE':
      if (table) return renameTable(fold, table, newName)
      return
    case 'OBJECT_COLUMN':
      for (const own of table ? withPartitions(catalog, table) : []) renameColumn(fold, own, old, newName)
      return
    case 'OBJECT_TABCONSTRAINT':
      for (const own of table ? [table] : []) {
        rekey(own.constraints, old, newName)
        rekey(own.indexes, old, newName)
      }
      return
    case 'OBJECT_POLICY':
      if (table) rekey(table.policies, old, newName)
      return
    case 'OBJECT_TRIGGER':
      if (table) rekey(table.triggers, old, newName)
      return
    case 'OBJECT_INDEX':
      for (const own of [...catalog.tables.values(), ...catalog.views.values()]) {
        if (own.schema !== schema) continue
        if (own.indexes.has(name)) noteGone(fold, `${schema}.${name}`, 'renamed', `${schema}.${newName}`)
        rekey(own.indexes, name, newName)
        if ('constraints' in own) rekey(own.constraints, name, newName)
      }
      return
    case 'OBJECT_VIEW':
    case 'OBJECT_MATVIEW':
      noteRename(fold, catalog.views, key, `${schema}.${newName}`)
      return rekey(catalog.views, key, `${schema}.${newName}`, newName)
    case 'OBJECT_SEQUENCE':
      noteRename(fold, catalog.sequences, key, `${schema}.${newName}`)
      return rekey(catalog.sequences, key, `${schema}.${newName}`, newName)
    case 'OBJECT_TYPE': {
      const [typeSchema, type] = qualified(node.object && 'List' in node.object ? path(node.object.List.items) : [])
      noteRename(fold, catalog.types, `${typeSchema}.${type}`, `${typeSchema}.${newName}`)
      return rekey(catalog.types, `${typeSchema}.${type}`, `${typeSchema}.${newName}`, newName)
    }
    default:
      return markUnknown(fold, `rename of ${String(node.renameType).replace('OBJECT_', '').toLowerCase()}`)
  }
}

function noteRename(fold: Fold, map: ReadonlyMap<string, unknown>, from: string, to: string): void {
  if (!map.has(from)) return
  noteGone(fold, from, 'renamed', to)
  forget(fold, to)
}

/** Moves an entry to another key in place, so that the order of a map stays. */
function rekey<Item extends { readonly name: string }>(
  map: Map<string, Item>,
  from: string,
  to: string,
  name = to,
): void {
  if (!map.has(from)) return
  const entries = [...map]
  map.clear()
  for (const [key, item] of entries) {
    if (key === from) map.set(to, { ...item, name })
    else map.set(key, item)
  }
}

function renameTable(fold: Fold, table: Table, newName: string): void {
  const [from, to] = [`${table.schema}.${table.name}`, `${table.schema}.${newName}`]
  const { catalog } = fold
  noteRename(fold, catalog.tables, from, to)
  rekey(catalog.tables, from, to, newName)
  for (const [key, other] of catalog.tables) {
    if (other.partitionOf === from) catalog.tables.set(key, { ...other, partitionOf: to })
    for (const constraint of other.constraints.values())
      if (constraint.references === from) pointTo(other, constraint, from, to)
  }
  for (const [key, sequence] of catalog.sequences) {
    if (sequence.ownedBy?.startsWith(`${from}.`)) {
      catalog.sequences.set(key, { ...sequence, ownedBy: to + sequence.ownedBy.slice(from.length) })
    }
  }
}

function pointTo(table: Table, constraint: Constraint, from: string, to: string): void {
  const definition = constraint.definition.replace(` REFERENCES ${from}(`, ` REFERENCES ${to}(`)
  table.constraints.set(constraint.name, { ...constraint, references: to, definition })
}

/** The new name reaches keys; expressions of checks, policies and predicates keep their source and are marked unknown. */
function renameColumn(fold: Fold, table: Table, from: string, to: string): void {
  const own = `${table.schema}.${table.name}`
  if (table.columns.has(from)) noteGone(fold, `${own}.${from}`, 'renamed', `${own}.${to}`)
  forget(fold, `${own}.${to}`)
  rekey(table.columns, from, to)
  const swap = (names: readonly string[]) => names.map((name) => (name === from ? to : name))
  const mentions = (text: string | null) => text !== null && new RegExp(`\\b${from}\\b`).test(text)
  for (const constraint of table.constraints.values()) {
    if (!constraint.columns.includes(from)) continue
    if (constraint.kind === 'check' || constraint.kind === 'exclude')
      markUnknown(fold, `rename of ${from}, which ${constraint.name} names`)
    const definition = constraint.definition.replace(/\([^()]*\)/, (list) =>
      list.replace(new RegExp(`\\b${from}\\b`), to),
    )
    table.constraints.set(constraint.name, { ...constraint, columns: swap(constraint.columns), definition })
  }
  for (const index of table.indexes.values()) {
    const keys = index.keys.map((key) => (key.column === from ? { ...key, column: to } : key))
    if (mentions(index.predicate) || keys.some((key) => mentions(key.expression)))
      markUnknown(fold, `rename of ${from}, which ${index.name} names`)
    table.indexes.set(index.name, { ...index, keys, include: swap(index.include) })
  }
  for (const other of fold.catalog.tables.values()) {
    for (const constraint of other.constraints.values()) {
      if (constraint.references !== `${table.schema}.${table.name}` || !constraint.referencedColumns.includes(from))
        continue
      const definition = constraint.definition.replace(
        /( REFERENCES [^(]*\()([^)]*)/,
        (_, head: string, list: string) => head + list.replace(new RegExp(`\\b${from}\\b`), to),
      )
      other.constraints.set(constraint.name, {
        ...constraint,
        referencedColumns: swap(constraint.referencedColumns),
        definition,
      })
    }
  }
  for (const policy of table.policies.values()) {
    if (mentions(policy.using) || mentions(policy.withCheck))
      markUnknown(fold, `rename of ${from}, which policy ${policy.name} names`)
  }
}
