import type { Node } from '../../parse/parser.ts'
import { objectNames } from '../../parse/references.ts'
import { dropRelation, dropRoutine, dropType } from './dependents.ts'
import { markUnknown, withPartitions, type Fold } from './fold.ts'
import { noteGone } from './gone.ts'
import { routineKey } from './grants.ts'
import { find, findIndex, indexNamed, relationNamed, typeNamed } from './names.ts'
import { findOther } from './others.ts'

type DropNode = Extract<Node, { DropStmt: unknown }>['DropStmt']

/** DROP of everything that the model holds, with what depends on it. */
export function drop(fold: Fold, node: DropNode): void {
  for (const object of node.objects ?? []) dropOne(fold, node, object)
}

function dropOne(fold: Fold, node: DropNode, object: Node): void {
  const { catalog } = fold
  const names = objectNames(object)
  const last = names.at(-1) ?? ''
  switch (node.removeType) {
    case 'OBJECT_TABLE':
    case 'OBJECT_VIEW':
    case 'OBJECT_MATVIEW':
    case 'OBJECT_SEQUENCE':
      return dropRelation(fold, relationNamed(fold, names).key)
    case 'OBJECT_TYPE':
    case 'OBJECT_DOMAIN':
      if (catalog.types.has(typeNamed(fold, names).key)) return dropType(fold, typeNamed(fold, names).key)
      return dropOther(fold, node, object)
    case 'OBJECT_FUNCTION':
    case 'OBJECT_PROCEDURE':
    case 'OBJECT_ROUTINE':
    case 'OBJECT_AGGREGATE':
      if ('ObjectWithArgs' in object) dropRoutine(fold, routineKey(fold, object.ObjectWithArgs) ?? '')
      return
    case 'OBJECT_SCHEMA':
      return dropSchema(fold, last)
    case 'OBJECT_EXTENSION':
      if (node.behavior === 'DROP_CASCADE' && catalog.extensions.has(last))
        markUnknown(fold, `drop extension ${last} cascade`)
      if (catalog.extensions.delete(last)) noteGone(fold, `extension ${last}`)
      return
    case 'OBJECT_POLICY':
    case 'OBJECT_TRIGGER':
    case 'OBJECT_RULE':
      return dropPart(fold, node.removeType, relationNamed(fold, names.slice(0, -1)).key, last)
    case 'OBJECT_INDEX':
      return dropIndex(fold, names)
    case 'OBJECT_STATISTIC_EXT': {
      const { key } = find(fold, names, (own) => catalog.statistics.has(own))
      if (catalog.statistics.delete(key)) noteGone(fold, key)
      return
    }
    case 'OBJECT_PUBLICATION':
      if (catalog.publications.delete(last)) noteGone(fold, `publication ${last}`)
      return
    case 'OBJECT_EVENT_TRIGGER':
      return void catalog.eventTriggers.delete(last)
    default:
      return dropOther(fold, node, object)
  }
}

function dropOther(fold: Fold, node: DropNode, object: Node): void {
  const found = findOther(fold, String(node.removeType), object)
  if (found) fold.catalog.others.delete(found.key)
}

function dropPart(fold: Fold, kind: string, key: string, name: string): void {
  const table = fold.catalog.tables.get(key)
  const owner = table ?? fold.catalog.views.get(key)
  if (!owner) return
  const isThere =
    kind === 'OBJECT_RULE'
      ? owner.rules.delete(name)
      : kind === 'OBJECT_POLICY'
        ? table?.policies.delete(name)
        : owner.triggers.has(name)
  if (kind === 'OBJECT_TRIGGER')
    for (const own of table ? withPartitions(fold.catalog, table) : [owner]) own.triggers.delete(name)
  if (isThere) noteGone(fold, `${key}.${name}`)
}

/** The indexes of partitions go with that of the table. */
function dropIndex(fold: Fold, names: string[]): void {
  const { schema, name, key } = indexNamed(fold, names)
  const found = findIndex(fold.catalog, schema, name)
  if (!found) return
  found.indexes.delete(name)
  noteGone(fold, key)
  const table = fold.catalog.tables.get(found.owner)
  for (const partition of table?.partitionKey ? withPartitions(fold.catalog, table).slice(1) : []) {
    const own = [...partition.indexes.values()].find(
      (index) => fold.indexParents.get(`${partition.schema}.${index.name}`) === key,
    )
    if (own) partition.indexes.delete(own.name)
  }
}

function dropSchema(fold: Fold, schema: string): void {
  const { catalog } = fold
  if (catalog.schemas.delete(schema)) noteGone(fold, schema)
  const keysIn = (map: ReadonlyMap<string, { schema: string }>) =>
    [...map].flatMap(([key, item]) => (item.schema === schema ? key : []))
  for (const map of [catalog.views, catalog.tables, catalog.sequences])
    for (const key of keysIn(map)) dropRelation(fold, key)
  for (const key of keysIn(catalog.functions)) dropRoutine(fold, key)
  for (const key of keysIn(catalog.types)) dropType(fold, key)
  for (const map of [catalog.statistics, catalog.others]) for (const key of keysIn(map)) map.delete(key)
  for (const key of keysIn(catalog.extensions)) {
    catalog.extensions.delete(key)
    noteGone(fold, `extension ${key}`)
  }
  for (const own of catalog.defaultPrivileges.filter((entry) => entry.schema === schema))
    catalog.defaultPrivileges.splice(catalog.defaultPrivileges.indexOf(own), 1)
  for (const [name, publication] of catalog.publications) {
    const schemas = publication.schemas.filter((own) => own !== schema)
    if (schemas.length < publication.schemas.length) catalog.publications.set(name, { ...publication, schemas })
  }
}
