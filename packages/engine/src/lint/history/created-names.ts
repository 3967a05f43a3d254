import type { ParsedStatement } from '../../parse/parse-sql.ts'
import { path } from '../../parse/references.ts'
import type { ObjectKind } from './history-index.ts'
import { relationKey as keyOfRelation, typeKey as keyOfNames } from './names.ts'

interface Created {
  readonly kind: ObjectKind
  readonly name: string
}

/** What a statement brings into being, a new name of something included. */
export function createdNames({ node }: ParsedStatement): Created[] {
  if ('CreateStmt' in node) return tableNames(relationKey(node.CreateStmt.relation), node.CreateStmt.tableElts ?? [])
  if ('ViewStmt' in node) return [relation(relationKey(node.ViewStmt.view))]
  if ('CreateTableAsStmt' in node) return [relation(relationKey(node.CreateTableAsStmt.into?.rel))]
  if ('CreateForeignTableStmt' in node) return [relation(relationKey(node.CreateForeignTableStmt.base?.relation))]
  if ('CreateSeqStmt' in node) return [relation(relationKey(node.CreateSeqStmt.sequence))]
  if ('CreateSchemaStmt' in node) return [{ kind: 'schema', name: node.CreateSchemaStmt.schemaname ?? '' }]
  if ('CreateRoleStmt' in node) return [{ kind: 'role', name: node.CreateRoleStmt.role ?? '' }]
  if ('CreateFunctionStmt' in node) return [{ kind: 'function', name: typeKey(path(node.CreateFunctionStmt.funcname)) }]
  if ('CreateEnumStmt' in node) return [type(path(node.CreateEnumStmt.typeName))]
  if ('CreateRangeStmt' in node) return [type(path(node.CreateRangeStmt.typeName))]
  if ('CreateDomainStmt' in node) return [type(path(node.CreateDomainStmt.domainname))]
  if ('CompositeTypeStmt' in node) return [{ kind: 'type', name: relationKey(node.CompositeTypeStmt.typevar) }]
  if ('RenameStmt' in node) return renamedTo(node.RenameStmt)
  if ('AlterTableStmt' in node)
    return addedColumns(relationKey(node.AlterTableStmt.relation), node.AlterTableStmt.cmds ?? [])
  return []
}

/** In place of the schema, where a name has none: it may be any. */
export const anySchema = '*'

const relationKey = (relation: Parameters<typeof keyOfRelation>[0]) => keyOfRelation(relation, anySchema)
const typeKey = (names: readonly string[]) => keyOfNames(names, anySchema)

type Nodes = readonly ParsedStatement['node'][]

const relation = (name: string): Created => ({ kind: 'relation', name })
const type = (names: string[]): Created => ({ kind: 'type', name: typeKey(names) })

function tableNames(table: string, elements: Nodes): Created[] {
  const columns = elements.flatMap((element) => ('ColumnDef' in element ? [element.ColumnDef.colname ?? ''] : []))
  return [relation(table), ...columns.map((column): Created => ({ kind: 'column', name: `${table}.${column}` }))]
}

function addedColumns(table: string, commands: Nodes): Created[] {
  return commands.flatMap((command): Created[] => {
    if (!('AlterTableCmd' in command) || command.AlterTableCmd.subtype !== 'AT_AddColumn') return []
    const definition = command.AlterTableCmd.def
    if (!definition || !('ColumnDef' in definition)) return []
    return [{ kind: 'column', name: `${table}.${definition.ColumnDef.colname}` }]
  })
}

type Rename = Extract<ParsedStatement['node'], { RenameStmt: unknown }>['RenameStmt']

function renamedTo({ renameType, relation: from, newname = '', object }: Rename): Created[] {
  if (renameType === 'OBJECT_COLUMN') return [{ kind: 'column', name: `${relationKey(from)}.${newname}` }]
  if (['OBJECT_TABLE', 'OBJECT_VIEW', 'OBJECT_MATVIEW', 'OBJECT_SEQUENCE'].includes(renameType ?? ''))
    return [relation(`${relationKey(from).split('.')[0]}.${newname}`)]
  if (renameType === 'OBJECT_SCHEMA') return [{ kind: 'schema', name: newname }]
  const names =
    object && 'List' in object
      ? path(object.List.items)
      : object && 'ObjectWithArgs' in object
        ? path(object.ObjectWithArgs.objname)
        : []
  const moved = typeKey([...names.slice(0, -1), newname])
  if (renameType === 'OBJECT_FUNCTION' || renameType === 'OBJECT_PROCEDURE') return [{ kind: 'function', name: moved }]
  return renameType === 'OBJECT_TYPE' || renameType === 'OBJECT_DOMAIN' ? [{ kind: 'type', name: moved }] : []
}
