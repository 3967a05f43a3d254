import type { Node } from '../../parse/parser.ts'
import { objectNames, path } from '../../parse/references.ts'
import type { Fold } from './fold.ts'
import { namedObject } from './named-object.ts'
import { findIndex, indexNamed, relationNamed, typeNamed } from './names.ts'
import { findOther } from './others.ts'

interface Commented {
  comment: string | null
}

type CommentNode = Extract<Node, { CommentStmt: unknown }>['CommentStmt']

/** COMMENT ON; kinds that the model does not hold (databases, roles, extensions) are passed over. */
export function comment(fold: Fold, node: CommentNode): void {
  const text = node.comment ? node.comment : null
  const target = commented(fold, node)
  if (target) target.comment = text
  else if (node.objtype === 'OBJECT_COLUMN') commentField(fold, node, text)
  else commentOther(fold, node, text)
}

function commented(fold: Fold, { object, objtype }: CommentNode): Commented | undefined {
  const { catalog } = fold
  if (!object) return undefined
  const names = objectNames(object)
  switch (objtype) {
    case 'OBJECT_TABLE':
    case 'OBJECT_VIEW':
    case 'OBJECT_MATVIEW':
    case 'OBJECT_SEQUENCE': {
      const { key } = relationNamed(fold, names)
      return catalog.tables.get(key) ?? catalog.views.get(key) ?? catalog.sequences.get(key)
    }
    case 'OBJECT_DOMCONSTRAINT':
      return domainCheck(fold, object)
    case 'OBJECT_INDEX': {
      const { schema, name } = indexNamed(fold, names)
      return findIndex(catalog, schema, name)?.index
    }
    default:
      return namedObject(fold, String(objtype), object) ?? commentedPart(fold, String(objtype), names)
  }
}

/** Something that belongs to a table or view. */
function commentedPart(fold: Fold, objtype: string, names: string[]): Commented | undefined {
  const { key } = relationNamed(fold, names.slice(0, -1))
  const last = names.at(-1) ?? ''
  const table = fold.catalog.tables.get(key)
  const owner = table ?? fold.catalog.views.get(key)
  switch (objtype) {
    case 'OBJECT_COLUMN':
      return table?.columns.get(last)
    case 'OBJECT_TABCONSTRAINT':
      return table?.constraints.get(last)
    case 'OBJECT_POLICY':
      return table?.policies.get(last)
    case 'OBJECT_TRIGGER':
      return owner?.triggers.get(last)
    case 'OBJECT_RULE':
      return owner?.rules.get(last)
    default:
      return undefined
  }
}

function domainCheck(fold: Fold, object: Node): Commented | undefined {
  const [type, name] = 'List' in object ? (object.List.items ?? []) : []
  if (!type || !name || !('TypeName' in type) || !('String' in name)) return undefined
  const { key } = typeNamed(fold, path(type.TypeName.names))
  return fold.catalog.types.get(key)?.checks.find((check) => check.name === name.String.sval)
}

/** Columns of views and fields of composite types. */
function commentField(fold: Fold, { object }: CommentNode, text: string | null): void {
  const names = object ? objectNames(object) : []
  const last = names.at(-1) ?? ''
  const { catalog } = fold
  const { key } = relationNamed(fold, names.slice(0, -1))
  const view = catalog.views.get(key)
  if (view) {
    const { [last]: _, ...others } = view.columnComments
    const comments: Record<string, string> = text === null ? others : { ...others, [last]: text }
    const ordered = view.columns.flatMap((column) => (column in comments ? [[column, comments[column]]] : []))
    catalog.views.set(key, { ...view, columnComments: Object.fromEntries(ordered) as Record<string, string> })
    return
  }
  const type = catalog.types.get(typeNamed(fold, names.slice(0, -1)).key)
  const attributes = type?.attributes.map((own) => (own.name === last ? { ...own, comment: text } : own))
  if (type && attributes) catalog.types.set(`${type.schema}.${type.name}`, { ...type, attributes })
}

function commentOther(fold: Fold, { object, objtype }: CommentNode, text: string | null): void {
  const found = findOther(fold, String(objtype), object)
  const other = found && fold.catalog.others.get(found.key)
  if (other) other.comment = text
}
