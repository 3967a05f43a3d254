import type { Node } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'
import { DEFAULT_SCHEMA, type Fold } from './fold.ts'
import { routineKey } from './grants.ts'
import { qualified } from './types.ts'

interface Commented {
  comment: string | null
}

/** COMMENT ON; kinds of objects that the model does not hold are passed over. */
export function comment(fold: Fold, node: Extract<Node, { CommentStmt: unknown }>['CommentStmt']): void {
  const target = commented(fold, node)
  if (target) target.comment = node.comment ? node.comment : null
}

function commented(fold: Fold, node: Extract<Node, { CommentStmt: unknown }>['CommentStmt']): Commented | undefined {
  const { catalog } = fold
  const { object, objtype } = node
  if (!object) return undefined
  if ('ObjectWithArgs' in object) return catalog.functions.get(routineKey(fold, object.ObjectWithArgs) ?? '')
  if ('TypeName' in object) return catalog.types.get(qualified(path(object.TypeName.names)).join('.'))
  if ('String' in object) return objtype === 'OBJECT_SCHEMA' ? catalog.schemas.get(object.String.sval ?? '') : undefined
  if (!('List' in object)) return undefined
  const names = path(object.List.items)
  const last = names.at(-1) ?? ''
  const owner = qualified(names.slice(0, -1)).join('.')
  const whole = qualified(names).join('.')
  switch (objtype) {
    case 'OBJECT_TABLE':
      return catalog.tables.get(whole)
    case 'OBJECT_COLUMN':
      return catalog.tables.get(owner)?.columns.get(last)
    case 'OBJECT_VIEW':
    case 'OBJECT_MATVIEW':
      return catalog.views.get(whole)
    case 'OBJECT_SEQUENCE':
      return catalog.sequences.get(whole)
    case 'OBJECT_TYPE':
    case 'OBJECT_DOMAIN':
      return catalog.types.get(whole)
    case 'OBJECT_TABCONSTRAINT':
      return catalog.tables.get(owner)?.constraints.get(last)
    case 'OBJECT_POLICY':
      return catalog.tables.get(owner)?.policies.get(last)
    case 'OBJECT_TRIGGER':
      return catalog.tables.get(owner)?.triggers.get(last)
    case 'OBJECT_INDEX':
      return findIndex(fold, names.at(-2) ?? DEFAULT_SCHEMA, last)
    default:
      return undefined
  }
}

function findIndex({ catalog }: Fold, schema: string, name: string): Commented | undefined {
  for (const owner of [...catalog.tables.values(), ...catalog.views.values()]) {
    if (owner.schema === schema && owner.indexes.has(name)) return owner.indexes.get(name)
  }
  return undefined
}
