import type { ParsedStatement } from '../../parse/parse-sql.ts'
import { path } from '../../parse/references.ts'
import { relationKey } from './names.ts'
import type { Use } from './uses.ts'

type Node = ParsedStatement['node']
type ConstraintNode = Extract<Node, { Constraint: unknown }>['Constraint']

/** The columns that a statement names as keys of an index or a constraint, or changes. */
export function columnUsesOf({ node, start }: ParsedStatement): Use[] {
  if ('IndexStmt' in node) {
    const { relation, indexParams = [], indexIncludingParams = [] } = node.IndexStmt
    const names = [...indexParams, ...indexIncludingParams].flatMap((item) =>
      'IndexElem' in item && item.IndexElem.name ? [item.IndexElem.name] : [],
    )
    return columns(relationKey(relation), names, start, 'index')
  }
  if ('CreateStmt' in node) return ofCreateTable(node.CreateStmt, start)
  if ('AlterTableStmt' in node) return ofAlterTable(node.AlterTableStmt, start)
  if ('RenameStmt' in node && node.RenameStmt.renameType === 'OBJECT_COLUMN' && !node.RenameStmt.missing_ok)
    return columns(relationKey(node.RenameStmt.relation), [node.RenameStmt.subname ?? ''], start, 'rename')
  if ('CreateTrigStmt' in node)
    return columns(relationKey(node.CreateTrigStmt.relation), path(node.CreateTrigStmt.columns), start, 'trigger')
  if ('InsertStmt' in node)
    return columns(relationKey(node.InsertStmt.relation), targets(node.InsertStmt.cols), start, 'insert')
  if ('UpdateStmt' in node)
    return columns(relationKey(node.UpdateStmt.relation), targets(node.UpdateStmt.targetList), start, 'update')
  return []
}

function columns(table: string, names: readonly string[], at: number, as: string): Use[] {
  return names.map((name) => ({ kind: 'column', name: `${table}.${name}`, at, as }))
}

function targets(list: readonly Node[] | undefined): string[] {
  return (list ?? []).flatMap((item) => ('ResTarget' in item && item.ResTarget.name ? [item.ResTarget.name] : []))
}

/** A new table's own columns are checked by PostgreSQL's reader of the statement: only what it points to is looked up. */
function ofCreateTable({ tableElts = [] }: Extract<Node, { CreateStmt: unknown }>['CreateStmt'], start: number): Use[] {
  const constraints = tableElts.flatMap((element) => {
    if ('Constraint' in element) return [element.Constraint]
    if (!('ColumnDef' in element)) return []
    return (element.ColumnDef.constraints ?? []).flatMap((item) => ('Constraint' in item ? [item.Constraint] : []))
  })
  return constraints.flatMap((constraint) => referenced(constraint, start))
}

const ON_COLUMN = new Set([
  'AT_AlterColumnType',
  'AT_ColumnDefault',
  'AT_SetNotNull',
  'AT_DropNotNull',
  'AT_DropColumn',
  'AT_AddIdentity',
  'AT_SetStatistics',
  'AT_SetStorage',
])

function ofAlterTable(
  { relation, cmds = [] }: Extract<Node, { AlterTableStmt: unknown }>['AlterTableStmt'],
  start: number,
): Use[] {
  const table = relationKey(relation)
  const commands = cmds.flatMap((item) => ('AlterTableCmd' in item ? [item.AlterTableCmd] : []))
  const added = new Set(
    commands.flatMap(({ def, subtype }) =>
      subtype === 'AT_AddColumn' && def && 'ColumnDef' in def ? [def.ColumnDef.colname ?? ''] : [],
    ),
  )
  const uses = commands.flatMap(({ subtype = 'AT_AddColumn', name = '', def, missing_ok: isOptional }) => {
    if (ON_COLUMN.has(subtype)) return isOptional ? [] : columns(table, [name], start, 'alter table')
    if (def && 'Constraint' in def)
      return [...columns(table, keys(def.Constraint), start, 'constraint'), ...referenced(def.Constraint, start)]
    if (!def || !('ColumnDef' in def)) return []
    return (def.ColumnDef.constraints ?? []).flatMap((item) =>
      'Constraint' in item ? referenced(item.Constraint, start) : [],
    )
  })
  return uses.filter(({ name }) => !(name.startsWith(`${table}.`) && added.has(name.slice(table.length + 1))))
}

function keys({ keys: own, fk_attrs: foreign }: ConstraintNode): string[] {
  return [...path(own), ...path(foreign)]
}

function referenced({ contype, pktable, pk_attrs: attributes }: ConstraintNode, start: number): Use[] {
  return contype === 'CONSTR_FOREIGN' ? columns(relationKey(pktable), path(attributes), start, 'foreign key') : []
}
