import type { Node } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'
import { partitionsOf, type Fold } from './fold.ts'
import { noteGone } from './gone.ts'
import { routineKey } from './grants.ts'
import { qualified } from './types.ts'

/** DROP of everything that the model holds; with CASCADE also the foreign keys that point to a dropped table. */
export function drop(fold: Fold, node: Extract<Node, { DropStmt: unknown }>['DropStmt']): void {
  for (const object of node.objects ?? []) {
    if ('ObjectWithArgs' in object) {
      const key = routineKey(fold, object.ObjectWithArgs) ?? ''
      if (fold.catalog.functions.delete(key)) noteGone(fold, key)
    } else dropNamed(fold, String(node.removeType), namesOf(object))
  }
}

function namesOf(object: Node): string[] {
  if ('String' in object) return [object.String.sval ?? '']
  if ('TypeName' in object) return path(object.TypeName.names)
  return 'List' in object ? path(object.List.items) : []
}

function dropNamed(fold: Fold, kind: string, names: string[]): void {
  const { catalog } = fold
  const [schema, last] = qualified(names)
  const key = `${schema}.${last}`
  const owner = catalog.tables.get(qualified(names.slice(0, -1)).join('.'))
  switch (kind) {
    case 'OBJECT_TABLE':
      return dropTable(fold, key)
    case 'OBJECT_VIEW':
    case 'OBJECT_MATVIEW':
      if (catalog.views.delete(key)) noteGone(fold, key)
      return
    case 'OBJECT_SEQUENCE':
      if (catalog.sequences.delete(key)) noteGone(fold, key)
      return
    case 'OBJECT_TYPE':
    case 'OBJECT_DOMAIN':
      if (catalog.types.delete(key)) noteGone(fold, key)
      return
    case 'OBJECT_SCHEMA':
      return dropSchema(fold, last)
    case 'OBJECT_EXTENSION':
      catalog.extensions.delete(last)
      return
    case 'OBJECT_POLICY':
      owner?.policies.delete(last)
      return
    case 'OBJECT_RULE':
      owner?.rules.delete(last)
      return
    case 'OBJECT_TRIGGER':
      owner?.triggers.delete(last)
      for (const partition of owner ? partitionsOf(catalog, owner) : []) partition.triggers.delete(last)
      return
    case 'OBJECT_INDEX':
      for (const table of [...catalog.tables.values(), ...catalog.views.values()]) {
        if (table.schema === schema && table.indexes.delete(last)) noteGone(fold, key)
      }
      return
    default:
  }
}

function dropTable(fold: Fold, key: string): void {
  const { catalog } = fold
  const table = catalog.tables.get(key)
  if (!table) return
  for (const partition of partitionsOf(catalog, table)) dropTable(fold, `${partition.schema}.${partition.name}`)
  catalog.tables.delete(key)
  noteGone(fold, key)
  for (const [name, sequence] of catalog.sequences)
    if (sequence.ownedBy?.startsWith(`${key}.`)) catalog.sequences.delete(name)
  for (const other of catalog.tables.values()) {
    for (const constraint of other.constraints.values()) {
      if (constraint.references === key) other.constraints.delete(constraint.name)
    }
  }
}

function dropSchema(fold: Fold, schema: string): void {
  const { catalog } = fold
  if (catalog.schemas.delete(schema)) noteGone(fold, schema)
  for (const table of catalog.tables.values()) if (table.schema === schema) dropTable(fold, `${schema}.${table.name}`)
  for (const map of [catalog.views, catalog.sequences, catalog.types, catalog.functions]) {
    for (const [key, item] of map) if (item.schema === schema && map.delete(key)) noteGone(fold, key)
  }
}
