import type { Node } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'
import { OTHER_RIGHTS, type OtherObject } from '../model.ts'
import { otherKey } from '../live/others.ts'
import { defaultGrants } from './default-grants.ts'
import type { Fold } from './fold.ts'
import { typeText } from './format-type.ts'
import { find, newName, newRelation } from './names.ts'

/** The kinds that the catalog keeps whole, by what the grammar calls them. */
const KINDS: Record<string, string> = {
  OBJECT_COLLATION: 'collation',
  OBJECT_OPERATOR: 'operator',
  OBJECT_OPCLASS: 'operator class',
  OBJECT_OPFAMILY: 'operator family',
  OBJECT_TSCONFIGURATION: 'text search configuration',
  OBJECT_TSDICTIONARY: 'text search dictionary',
  OBJECT_TSPARSER: 'text search parser',
  OBJECT_TSTEMPLATE: 'text search template',
  OBJECT_CONVERSION: 'conversion',
  OBJECT_CAST: 'cast',
  OBJECT_ACCESS_METHOD: 'access method',
  OBJECT_LANGUAGE: 'language',
  OBJECT_FDW: 'foreign data wrapper',
  OBJECT_FOREIGN_SERVER: 'foreign server',
  OBJECT_USER_MAPPING: 'user mapping',
  OBJECT_FOREIGN_TABLE: 'foreign table',
  OBJECT_TYPE: 'base type',
}

const OUTSIDE_SCHEMAS = new Set([
  'cast',
  'access method',
  'language',
  'foreign data wrapper',
  'foreign server',
  'user mapping',
])

/** Keeps an object as the statement that makes it. */
export function addOther(fold: Fold, kind: string, schema: string, name: string): void {
  const rights = OTHER_RIGHTS[kind]
  const other: OtherObject = {
    kind,
    schema,
    name,
    definition: fold.statement.text,
    comment: null,
    digests: null,
    grants: rights ? defaultGrants(fold, rights, schema) : [],
    position: fold.position,
  }
  const key = otherKey(other)
  if (!fold.catalog.others.has(key)) fold.catalog.others.set(key, other)
}

/** CREATE of the kinds that are kept whole; false for another statement. */
export function createOther(fold: Fold, node: Node): boolean {
  if ('DefineStmt' in node) return defineOther(fold, node.DefineStmt)
  if ('CreateCastStmt' in node) {
    const { sourcetype, targettype } = node.CreateCastStmt
    addOther(fold, 'cast', '', `${typeText(fold, sourcetype ?? {})} as ${typeText(fold, targettype ?? {})}`)
  } else if ('CreateOpClassStmt' in node) createOperatorClass(fold, node.CreateOpClassStmt)
  else if ('CreateOpFamilyStmt' in node) {
    const { schema, name } = newName(fold, path(node.CreateOpFamilyStmt.opfamilyname))
    addOther(fold, 'operator family', schema, `${name} using ${node.CreateOpFamilyStmt.amname ?? ''}`)
  } else if ('CreateConversionStmt' in node) {
    const { schema, name } = newName(fold, path(node.CreateConversionStmt.conversion_name))
    addOther(fold, 'conversion', schema, name)
  } else if ('CreateForeignTableStmt' in node) {
    const { schema, name } = newRelation(fold, node.CreateForeignTableStmt.base?.relation)
    addOther(fold, 'foreign table', schema, name)
  } else if ('CreateAmStmt' in node) addOther(fold, 'access method', '', node.CreateAmStmt.amname ?? '')
  else if ('CreatePLangStmt' in node) addOther(fold, 'language', '', node.CreatePLangStmt.plname ?? '')
  else if ('CreateFdwStmt' in node) addOther(fold, 'foreign data wrapper', '', node.CreateFdwStmt.fdwname ?? '')
  else if ('CreateForeignServerStmt' in node)
    addOther(fold, 'foreign server', '', node.CreateForeignServerStmt.servername ?? '')
  else if ('CreateUserMappingStmt' in node) {
    const { user, servername } = node.CreateUserMappingStmt
    addOther(fold, 'user mapping', '', `${user?.rolename ?? 'public'} on ${servername ?? ''}`)
  } else return false
  return true
}

/** An operator class without a family of its own makes one. */
function createOperatorClass(
  fold: Fold,
  node: Extract<Node, { CreateOpClassStmt: unknown }>['CreateOpClassStmt'],
): void {
  const { schema, name } = newName(fold, path(node.opclassname))
  addOther(fold, 'operator class', schema, `${name} using ${node.amname ?? ''}`)
  if (!node.opfamilyname) addOther(fold, 'operator family', schema, `${name} using ${node.amname ?? ''}`)
}

function defineOther(fold: Fold, node: Extract<Node, { DefineStmt: unknown }>['DefineStmt']): boolean {
  const kind = KINDS[String(node.kind)]
  if (!kind) return false
  const { schema, name } = newName(fold, path(node.defnames))
  addOther(fold, kind, schema, kind === 'operator' ? `${name}(${operands(fold, node.definition)})` : name)
  return true
}

function operands(fold: Fold, definition: Node[] | undefined): string {
  const type = (side: string) => {
    const item = (definition ?? []).find((own) => 'DefElem' in own && own.DefElem.defname === side)
    const arg = item && 'DefElem' in item ? item.DefElem.arg : undefined
    return arg && 'TypeName' in arg ? typeText(fold, arg.TypeName) : 'none'
  }
  return `${type('leftarg')}, ${type('rightarg')}`
}

/** The object of these kinds that COMMENT, DROP or ALTER names. */
export function findOther(
  fold: Fold,
  objectType: string,
  object: Node | undefined,
): (OtherObject & { key: string }) | undefined {
  const kind = KINDS[objectType]
  if (!kind || !object) return undefined
  const { others } = fold.catalog
  const names = otherNames(fold, kind, object)
  const keyIn = (schema: string) => otherKey({ kind, schema, name: names.at(-1) ?? '' })
  const { schema } = OUTSIDE_SCHEMAS.has(kind) ? { schema: '' } : find(fold, names, (_, own) => others.has(keyIn(own)))
  const key = keyIn(schema)
  const other = others.get(key)
  return other && { ...other, key }
}

function otherNames(fold: Fold, kind: string, object: Node): string[] {
  if ('String' in object) return [object.String.sval ?? '']
  if ('TypeName' in object) return path(object.TypeName.names)
  if ('ObjectWithArgs' in object) {
    const names = path(object.ObjectWithArgs.objname)
    // the missing operand of a prefix operator is an empty node
    const types = (object.ObjectWithArgs.objargs ?? []).map((type) =>
      'TypeName' in type ? typeText(fold, type.TypeName) : 'none',
    )
    return [...names.slice(0, -1), `${names.at(-1) ?? ''}(${types.join(', ')})`]
  }
  const items = 'List' in object ? (object.List.items ?? []) : []
  if (kind === 'cast')
    return [items.map((type) => ('TypeName' in type ? typeText(fold, type.TypeName) : '')).join(' as ')]
  const names = path(items)
  if (kind !== 'operator class' && kind !== 'operator family') return names
  // the access method comes first
  return [...names.slice(1, -1), `${names.at(-1) ?? ''} using ${names[0] ?? ''}`]
}

export function dropUserMapping(
  fold: Fold,
  node: Extract<Node, { DropUserMappingStmt: unknown }>['DropUserMappingStmt'],
): void {
  fold.catalog.others.delete(`user mapping ${node.user?.rolename ?? 'public'} on ${node.servername ?? ''}`)
}
