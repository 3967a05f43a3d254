import type { ParsedStatement } from '../../parse/parse-sql.ts'
import { path } from '../../parse/references.ts'
import { createdSchema, schemaElements } from '../../parse/schema-elements.ts'
import type { ObjectKind } from './history-index.ts'
import { relationKey as keyOfRelation, typeKey as keyOfNames } from './names.ts'
import { partKinds, type PartKind } from './part-kinds.ts'

interface Created {
  readonly kind: ObjectKind
  readonly name: string
}

/** What a statement brings into being, a new name of something included. */
export function createdNames(statement: ParsedStatement): Created[] {
  const { node } = statement
  if ('IndexStmt' in node) return indexName(node.IndexStmt)
  if ('CreateTrigStmt' in node) return [part('trigger', node.CreateTrigStmt.relation, node.CreateTrigStmt.trigname)]
  if ('CreatePolicyStmt' in node)
    return [part('policy', node.CreatePolicyStmt.table, node.CreatePolicyStmt.policy_name)]
  if ('RuleStmt' in node) return [part('rule', node.RuleStmt.relation, node.RuleStmt.rulename)]
  if ('AlterEnumStmt' in node)
    return [{ kind: 'value', name: `${typeKey(path(node.AlterEnumStmt.typeName))}.${node.AlterEnumStmt.newVal ?? ''}` }]
  if ('CreateStmt' in node) return tableNames(relationKey(node.CreateStmt.relation), node.CreateStmt.tableElts ?? [])
  if ('ViewStmt' in node) return [relation(relationKey(node.ViewStmt.view))]
  if ('CreateTableAsStmt' in node) return [relation(relationKey(node.CreateTableAsStmt.into?.rel))]
  if ('CreateForeignTableStmt' in node) return [relation(relationKey(node.CreateForeignTableStmt.base?.relation))]
  if ('CreateSeqStmt' in node) return [relation(relationKey(node.CreateSeqStmt.sequence))]
  if ('CreateSchemaStmt' in node)
    return [
      { kind: 'schema', name: createdSchema(node.CreateSchemaStmt) },
      ...(schemaElements(statement) ?? []).flatMap(createdNames),
    ]
  if ('CreateExtensionStmt' in node) return [{ kind: 'extension', name: node.CreateExtensionStmt.extname ?? '' }]
  if ('CreatePublicationStmt' in node) return [{ kind: 'publication', name: node.CreatePublicationStmt.pubname ?? '' }]
  if ('CreateRoleStmt' in node) return [{ kind: 'role', name: node.CreateRoleStmt.role ?? '' }]
  if ('CreateFunctionStmt' in node) return [{ kind: 'function', name: typeKey(path(node.CreateFunctionStmt.funcname)) }]
  if ('CreateEnumStmt' in node) return [type(path(node.CreateEnumStmt.typeName))]
  if ('CreateRangeStmt' in node) return [type(path(node.CreateRangeStmt.typeName))]
  if ('CreateDomainStmt' in node) return [type(path(node.CreateDomainStmt.domainname))]
  if ('CompositeTypeStmt' in node) return [{ kind: 'type', name: relationKey(node.CompositeTypeStmt.typevar) }]
  if ('RenameStmt' in node) return renamedTo(node.RenameStmt)
  if ('AlterTableStmt' in node)
    return addedNames(relationKey(node.AlterTableStmt.relation), node.AlterTableStmt.cmds ?? [])
  return []
}

/** In place of the schema, where a name has none: it may be any. */
export const anySchema = '*'

const relationKey = (relation: Parameters<typeof keyOfRelation>[0]) => keyOfRelation(relation, anySchema)
const typeKey = (names: readonly string[]) => keyOfNames(names, anySchema)

type Nodes = readonly ParsedStatement['node'][]

const relation = (name: string): Created => ({ kind: 'relation', name })
const type = (names: string[]): Created => ({ kind: 'type', name: typeKey(names) })

function part(kind: PartKind, owner: Parameters<typeof keyOfRelation>[0], name = ''): Created {
  return { kind, name: `${relationKey(owner)}.${name}` }
}

function indexName({
  relation: on,
  idxname,
}: Extract<ParsedStatement['node'], { IndexStmt: unknown }>['IndexStmt']): Created[] {
  return idxname === undefined ? [] : [{ kind: 'index', name: `${on?.schemaname ?? anySchema}.${idxname}` }]
}

function tableNames(table: string, elements: Nodes): Created[] {
  const columns = elements.flatMap((element) => ('ColumnDef' in element ? [element.ColumnDef.colname ?? ''] : []))
  return [
    relation(table),
    ...columns.map((column): Created => ({ kind: 'column', name: `${table}.${column}` })),
    ...elements.flatMap((element) => constraintNames(table, element)),
  ]
}

/** Of a constraint of a table, or behind a column; those that PostgreSQL names itself are not told. */
function constraintNames(table: string, element: ParsedStatement['node'] | undefined): Created[] {
  if (element && 'ColumnDef' in element)
    return (element.ColumnDef.constraints ?? []).flatMap((item) => constraintNames(table, item))
  if (!element || !('Constraint' in element) || element.Constraint.conname === undefined) return []
  return [{ kind: 'constraint', name: `${table}.${element.Constraint.conname}` }]
}

function addedNames(table: string, commands: Nodes): Created[] {
  return commands.flatMap((command): Created[] => {
    if (!('AlterTableCmd' in command)) return []
    const { subtype, def: definition } = command.AlterTableCmd
    const constraints = constraintNames(table, definition)
    if (subtype !== 'AT_AddColumn' || !definition || !('ColumnDef' in definition)) return constraints
    return [{ kind: 'column', name: `${table}.${definition.ColumnDef.colname}` }, ...constraints]
  })
}

type Rename = Extract<ParsedStatement['node'], { RenameStmt: unknown }>['RenameStmt']

function renamedTo({ renameType, relation: from, newname = '', object }: Rename): Created[] {
  if (renameType === 'OBJECT_COLUMN') return [{ kind: 'column', name: `${relationKey(from)}.${newname}` }]
  if (['OBJECT_TABLE', 'OBJECT_VIEW', 'OBJECT_MATVIEW', 'OBJECT_SEQUENCE'].includes(renameType ?? ''))
    return [relation(`${relationKey(from).split('.')[0]}.${newname}`)]
  if (renameType === 'OBJECT_INDEX') return [{ kind: 'index', name: `${relationKey(from).split('.')[0]}.${newname}` }]
  const kind = partKinds[renameType ?? '']
  if (kind) return [part(kind, from, newname)]
  if (renameType === 'OBJECT_SCHEMA') return [{ kind: 'schema', name: newname }]
  if (renameType === 'OBJECT_PUBLICATION') return [{ kind: 'publication', name: newname }]
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
