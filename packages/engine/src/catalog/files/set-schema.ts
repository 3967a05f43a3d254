import type { Node } from '../../parse/parser.ts'
import { objectNames } from '../../parse/references.ts'
import { markUnknown, type Fold } from './fold.ts'
import { routineKey } from './grants.ts'
import { find, relationName, typeNamed } from './names.ts'
import { findOther } from './others.ts'
import { rekey } from './rekey.ts'
import { moveRelation, moveRoutine, moveType } from './move-objects.ts'

type MoveNode = Extract<Node, { AlterObjectSchemaStmt: unknown }>['AlterObjectSchemaStmt']

/** ALTER .. SET SCHEMA. What names the object follows. */
export function setSchema(fold: Fold, node: MoveNode): void {
  const schema = node.newschema ?? ''
  const { object } = node
  switch (node.objectType) {
    case 'OBJECT_TABLE':
    case 'OBJECT_VIEW':
    case 'OBJECT_MATVIEW':
    case 'OBJECT_SEQUENCE':
    case 'OBJECT_FOREIGN_TABLE': {
      const own = relationName(fold, node.relation)
      return own.schema === schema ? undefined : moveRelation(fold, own, { schema })
    }
    case 'OBJECT_TYPE':
    case 'OBJECT_DOMAIN':
      return moveType(fold, typeNamed(fold, objectNames(object)), { schema })
    case 'OBJECT_FUNCTION':
    case 'OBJECT_PROCEDURE':
    case 'OBJECT_ROUTINE':
    case 'OBJECT_AGGREGATE':
      if (object && 'ObjectWithArgs' in object)
        moveRoutine(fold, routineKey(fold, object.ObjectWithArgs) ?? '', { schema })
      return
    case 'OBJECT_EXTENSION': {
      const extension = fold.catalog.extensions.get(objectNames(object).at(-1) ?? '')
      if (extension) fold.catalog.extensions.set(extension.name, { ...extension, schema })
      return
    }
    case 'OBJECT_STATISTIC_EXT': {
      const { key, name } = find(fold, objectNames(object), (own) => fold.catalog.statistics.has(own))
      return rekey(fold.catalog.statistics, key, `${schema}.${name}`, { schema })
    }
    default:
      return moveOther(fold, node, schema)
  }
}

function moveOther(fold: Fold, node: MoveNode, schema: string): void {
  const found = findOther(fold, String(node.objectType), node.object)
  const word = String(node.objectType).replace('OBJECT_', '').replaceAll('_', ' ').toLowerCase()
  if (!found) return markUnknown(fold, `set schema of ${word}`)
  rekey(fold.catalog.others, found.key, `${found.kind} ${schema}.${found.name}`, { schema })
}
