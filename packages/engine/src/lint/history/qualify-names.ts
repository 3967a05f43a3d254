import type { Fold } from '../../catalog/files/fold.ts'
import {
  indexNamed,
  newName,
  newRelation,
  relationName,
  relationNamed,
  routineNamed,
  typeNamed,
} from '../../catalog/files/names.ts'
import type { ParsedStatement } from '../../parse/parse-sql.ts'
import { path } from '../../parse/references.ts'
import { walkTree } from '../../parse/walk.ts'

const CREATES = ['CreateStmt', 'ViewStmt', 'CreateTableAsStmt', 'CreateSeqStmt', 'CompositeTypeStmt']

/**
 * Writes the schema into the names of tables and views that a statement leaves to the search path, so that rules need not
 * know the path. Names of queries in WITH and PostgreSQL's own tables stay as they are.
 */
export function qualifyNames({ node, kind }: ParsedStatement, fold: Fold): void {
  if (fold.searchPath.length === 1 && fold.searchPath[0] === 'public') return
  const queries = new Set<string>()
  walkTree(node, (tag, content) => {
    if (tag === 'CommonTableExpr') queries.add(String(content['ctename']))
  })
  let isFirst = CREATES.includes(kind)
  walkTree(node, (tag, content) => {
    if (tag !== 'RangeVar' || content['schemaname'] !== undefined || content['relpersistence'] === 't') return
    const name = String(content['relname'])
    if (queries.has(name) || name.startsWith('pg_')) return
    const found = isFirst ? newRelation(fold, content) : relationName(fold, content)
    isFirst = false
    content['schemaname'] = found.schema
  })
  qualifyNameLists(node, fold)
  if ('DropStmt' in node)
    for (const object of node.DropStmt.objects ?? []) {
      if (node.DropStmt.removeType === 'OBJECT_INDEX') qualifyIndex(object, fold)
      else if (TYPES_AND_ROUTINES.includes(node.DropStmt.removeType ?? '')) qualifyTypeOrRoutine(object, fold)
      else qualifyList(object, fold, partOf(node.DropStmt.removeType))
    }
  if ('CommentStmt' in node) qualifyList(node.CommentStmt.object, fold, partOf(node.CommentStmt.objtype))
}

/** Functions and types that the statement makes, and the function that a trigger calls. */
function qualifyNameLists(node: ParsedStatement['node'], fold: Fold): void {
  if ('CreateFunctionStmt' in node) node.CreateFunctionStmt.funcname = made(node.CreateFunctionStmt.funcname, fold)
  if ('CreateEnumStmt' in node) node.CreateEnumStmt.typeName = made(node.CreateEnumStmt.typeName, fold)
  if ('CreateDomainStmt' in node) node.CreateDomainStmt.domainname = made(node.CreateDomainStmt.domainname, fold)
  if ('CreateRangeStmt' in node) node.CreateRangeStmt.typeName = made(node.CreateRangeStmt.typeName, fold)
  if ('AlterEnumStmt' in node) node.AlterEnumStmt.typeName = qualified(node.AlterEnumStmt.typeName, fold, typeNamed)
  if ('RenameStmt' in node && node.RenameStmt.object) qualifyRenamed(node.RenameStmt, fold)
  if (!('CreateTrigStmt' in node)) return
  node.CreateTrigStmt.funcname = qualified(node.CreateTrigStmt.funcname, fold, routineNamed)
}

type Names = ParsedStatement['node'][]

/** A name that is there already, with the schema that it is found in. */
function qualified(names: Names | undefined, fold: Fold, find: typeof typeNamed): Names {
  const own = names ?? []
  return own.length === 1 ? [schemaNode(find(fold, path(own)).schema), ...own] : own
}

function qualifyRenamed(
  { renameType, object }: Extract<ParsedStatement['node'], { RenameStmt: unknown }>['RenameStmt'],
  fold: Fold,
): void {
  if (object && 'ObjectWithArgs' in object) qualifyTypeOrRoutine(object, fold)
  else if (object && 'List' in object && (renameType === 'OBJECT_TYPE' || renameType === 'OBJECT_DOMAIN'))
    object.List.items = qualified(object.List.items, fold, typeNamed)
}

const TYPES_AND_ROUTINES = [
  'OBJECT_TYPE',
  'OBJECT_DOMAIN',
  'OBJECT_FUNCTION',
  'OBJECT_PROCEDURE',
  'OBJECT_ROUTINE',
  'OBJECT_AGGREGATE',
]

function qualifyTypeOrRoutine(object: ParsedStatement['node'], fold: Fold): void {
  if ('TypeName' in object) object.TypeName.names = qualified(object.TypeName.names, fold, typeNamed)
  if ('ObjectWithArgs' in object)
    object.ObjectWithArgs.objname = qualified(object.ObjectWithArgs.objname, fold, routineNamed)
}

function made(names: Names | undefined, fold: Fold): Names {
  const own = names ?? []
  return own.length === 1 ? [schemaNode(newName(fold, path(own)).schema), ...own] : own
}

function schemaNode(schema: string): ParsedStatement['node'] {
  return { String: { sval: schema } }
}

const PARTS = ['OBJECT_COLUMN', 'OBJECT_POLICY', 'OBJECT_TRIGGER', 'OBJECT_RULE', 'OBJECT_TABCONSTRAINT']
const RELATIONS = ['OBJECT_TABLE', 'OBJECT_VIEW', 'OBJECT_MATVIEW', 'OBJECT_SEQUENCE', 'OBJECT_FOREIGN_TABLE']

/** How many names follow that of the relation; null for what is no relation and no part of one. */
function partOf(type: string | undefined): number | null {
  if (PARTS.includes(type ?? '')) return 1
  return RELATIONS.includes(type ?? '') ? 0 : null
}

function qualifyList(object: ParsedStatement['node'] | undefined, fold: Fold, behind: number | null): void {
  if (!object || !('List' in object) || behind === null) return
  const names = path(object.List.items)
  if (names.length !== 1 + behind) return
  const { schema } = relationNamed(fold, names.slice(0, 1))
  object.List.items = [schemaNode(schema), ...(object.List.items ?? [])]
}

function qualifyIndex(object: ParsedStatement['node'], fold: Fold): void {
  if (!('List' in object)) return
  const names = path(object.List.items)
  if (names.length === 1) object.List.items = [schemaNode(indexNamed(fold, names).schema), ...(object.List.items ?? [])]
}
