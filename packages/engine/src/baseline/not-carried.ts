import type { Fold } from '../catalog/files.ts'
import { namedObject } from '../catalog/files/named-object.ts'
import { findOther } from '../catalog/files/others.ts'
import { routineKey } from '../catalog/files/grants.ts'
import { findIndex, newName, relationName, typeNamed } from '../catalog/files/names.ts'
import type { ParsedStatement } from '../parse/parse-sql.ts'
import type { Node } from '../parse/parser.ts'
import { objectNames, path } from '../parse/references.ts'

/** What a statement says that the catalog does not hold. */
export interface NotCarried {
  readonly reason: string
  /** The printed object (`type a.b`, `index i on a.b`) that it stands for, when the catalog holds a part of it. */
  readonly instead: string | null
  /** The schema of that object. */
  readonly schema: string | null
}

/** Folding passes over these on purpose: they change nothing that the catalog holds. In a baseline they must not get lost. */
const BESIDE_THE_CATALOG: Readonly<Record<string, string>> = {
  SecLabelStmt: 'security label',
  AlterCollationStmt: 'alter collation',
  AlterExtensionStmt: 'alter extension',
  AlterExtensionContentsStmt: 'alter extension',
  AlterFdwStmt: 'alter foreign data wrapper',
  AlterForeignServerStmt: 'alter server',
  AlterUserMappingStmt: 'alter user mapping',
  AlterOpFamilyStmt: 'alter operator family',
  AlterOperatorStmt: 'alter operator',
  AlterStatsStmt: 'alter statistics',
  AlterTSConfigurationStmt: 'alter text search configuration',
  AlterTSDictionaryStmt: 'alter text search dictionary',
  AlterTypeStmt: 'alter type',
  AlterObjectDependsStmt: 'depends on extension',
  CreateTransformStmt: 'create transform',
}

/** Null for a statement that the catalog holds whole. Asked right behind its folding, while its search path holds. */
export function notCarried(fold: Fold, statement: ParsedStatement): NotCarried | null {
  const { node, kind } = statement
  const reason = BESIDE_THE_CATALOG[kind]
  if (reason !== undefined) return beside(reason)
  if (isAboutForeignTable(fold, node)) return beside('about a foreign table')
  if ('AlterTableStmt' in node) return alterOfStorage(fold, node.AlterTableStmt)
  if ('CommentStmt' in node) return node.CommentStmt.objtype === 'OBJECT_TRANSFORM' ? beside('comment') : null
  if ('GrantStmt' in node) return grantOnOther(fold, node.GrantStmt)
  if ('AlterOwnerStmt' in node) return ownerOfOther(fold, node.AlterOwnerStmt)
  return halfHeld(fold, statement)
}

function beside(reason: string): NotCarried {
  return { reason, instead: null, schema: null }
}

/** A foreign table is held as its CREATE alone: what is said about it later is not. */
function isAboutForeignTable(fold: Fold, node: Node): boolean {
  if ('AlterTableStmt' in node) {
    const { relation, cmds = [] } = node.AlterTableStmt
    const parts = cmds.map((item) => ('AlterTableCmd' in item ? item.AlterTableCmd.def : undefined))
    const part = parts.flatMap((def) => (def && 'PartitionCmd' in def ? [def.PartitionCmd.name] : []))
    return [relation, ...part].some((own) => isForeign(fold, own))
  }
  if ('CreateTrigStmt' in node) return isForeign(fold, node.CreateTrigStmt.relation)
  if ('CommentStmt' in node) {
    const { object, objtype } = node.CommentStmt
    const isPart = ['OBJECT_COLUMN', 'OBJECT_TABCONSTRAINT', 'OBJECT_TRIGGER'].includes(String(objtype))
    const [relname, schemaname] = object && isPart ? objectNames(object).slice(0, -1).toReversed() : []
    return isForeign(fold, { relname, schemaname })
  }
  return false
}

function isForeign(
  fold: Fold,
  relation: { readonly schemaname?: string | undefined; readonly relname?: string | undefined } | undefined,
): boolean {
  const names = [relation?.schemaname, relation?.relname].flatMap((name) => (name === undefined ? [] : [name]))
  const items = names.map((sval) => ({ String: { sval } }))
  return names.length > 0 && findOther(fold, 'OBJECT_FOREIGN_TABLE', { List: { items } }) !== undefined
}

type Content<T extends string> = Extract<Node, Record<T, unknown>> extends Record<T, infer C> ? C : never

/** How the rows of a table lie, and what the planner counts of a view or an index. */
function alterOfStorage(fold: Fold, { cmds = [], relation }: Content<'AlterTableStmt'>): NotCarried | null {
  const { key, schema, name } = relationName(fold, relation)
  const isTable = fold.catalog.tables.has(key)
  const isHeld = isTable || fold.catalog.views.has(key) || findIndex(fold.catalog, schema, name) !== undefined
  const lost = cmds.some((item) => {
    const subtype = 'AlterTableCmd' in item ? String(item.AlterTableCmd.subtype) : ''
    return STORAGE.has(subtype) || (isHeld && !isTable && PLANNING.has(subtype))
  })
  return lost ? beside(`storage of ${key}`) : null
}

const STORAGE = new Set(['AT_ClusterOn', 'AT_SetAccessMethod'])
const PLANNING = new Set(['AT_SetStatistics', 'AT_SetStorage', 'AT_SetCompression'])

/** Rights on what an extension or PostgreSQL itself made. */
function grantOnOther(fold: Fold, { objects = [], objtype, targtype }: Content<'GrantStmt'>): NotCarried | null {
  if (targtype === 'ACL_TARGET_ALL_IN_SCHEMA') return null
  const { schemas, tables, views, sequences, types, others } = fold.catalog
  const isHeld = (object: Node): boolean => {
    if ('RangeVar' in object) {
      const { key } = relationName(fold, object.RangeVar)
      return tables.has(key) || views.has(key) || sequences.has(key) || others.has(`foreign table ${key}`)
    }
    if ('ObjectWithArgs' in object) return routineKey(fold, object.ObjectWithArgs) !== undefined
    if (findOther(fold, String(objtype), object)) return true
    if ('List' in object) return types.has(typeNamed(fold, path(object.List.items)).key)
    return objtype === 'OBJECT_SCHEMA' && 'String' in object && schemas.has(object.String.sval ?? '')
  }
  return objects.every(isHeld) ? null : beside('rights on what the export does not take apart')
}

function ownerOfOther(fold: Fold, { object, objectType }: Content<'AlterOwnerStmt'>): NotCarried | null {
  if (!object || namedObject(fold, String(objectType), object)) return null
  return beside(`owner of ${String(objectType).replace('OBJECT_', '').replaceAll('_', ' ').toLowerCase()}`)
}

/** Objects that the catalog holds without some of their clauses: they are printed as they are written. */
function halfHeld(fold: Fold, { node, line, column }: ParsedStatement): NotCarried | null {
  const isHere = (item: { readonly position?: { readonly line: number; readonly column: number } | undefined }) =>
    item.position?.line === line && item.position.column === column
  if ('CreateRangeStmt' in node) {
    const { key, schema } = newName(fold, path(node.CreateRangeStmt.typeName))
    const clauses = rangeClauses(node.CreateRangeStmt)
    return clauses.length === 0 ? null : { reason: `type with ${clauses.join(', ')}`, instead: `type ${key}`, schema }
  }
  if ('DefineStmt' in node && node.DefineStmt.kind === 'OBJECT_TYPE' && node.DefineStmt.definition) {
    const { key, schema } = newName(fold, path(node.DefineStmt.defnames))
    return { reason: 'base type', instead: `other base type ${key}`, schema }
  }
  if ('IndexStmt' in node && (node.IndexStmt.indexParams ?? []).some(hasClassOptions)) {
    for (const [key, { schema, indexes }] of [...fold.catalog.tables, ...fold.catalog.views]) {
      const index = [...indexes.values()].find(isHere)
      if (index) return { reason: 'parameters of an operator class', instead: `index ${index.name} on ${key}`, schema }
    }
  }
  if ('CreateFunctionStmt' in node) {
    const clauses = functionClauses(node.CreateFunctionStmt)
    if (clauses.length === 0) return null
    for (const [key, routine] of fold.catalog.functions)
      if (isHere(routine))
        return { reason: `function with ${clauses.join(', ')}`, instead: `function ${key}`, schema: routine.schema }
  }
  return null
}

function hasClassOptions(element: Node): boolean {
  return 'IndexElem' in element && (element.IndexElem.opclassopts ?? []).length > 0
}

/** Everything but the subtype, and a multirange type that is called what PostgreSQL would call it. */
function rangeClauses({ typeName, params = [] }: Content<'CreateRangeStmt'>): string[] {
  const names = path(typeName)
  return params.flatMap((item) => {
    if (!('DefElem' in item) || item.DefElem.defname === 'subtype') return []
    const { defname = '', arg } = item.DefElem
    const own = arg && 'TypeName' in arg ? path(arg.TypeName.names).join('.') : ''
    const usual = [...names.slice(0, -1), multirangeName(names.at(-1) ?? '')].join('.')
    return defname === 'multirange_type_name' && own === usual ? [] : [defname]
  })
}

function multirangeName(range: string): string {
  return range.includes('range') ? range.replace('range', 'multirange') : `${range}_multirange`
}

function functionClauses({ options = [] }: Content<'CreateFunctionStmt'>): string[] {
  return options.flatMap((item) => {
    if (!('DefElem' in item)) return []
    const { defname = '', arg } = item.DefElem
    if (defname === 'as') return arg && 'List' in arg && (arg.List.items ?? []).length > 1 ? ['a library'] : []
    return ['window', 'transform', 'support'].includes(defname) ? [defname] : []
  })
}
